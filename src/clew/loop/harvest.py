"""Labelled decisions as training data: what an endpoint decided and learned since, appended to the training table.

The rows are what the model was asked, as it was asked: training and serving cannot differ. The new version is an
ordinary one, with the endpoint's logs among its parents in the lineage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.core.types.edge import node
from clew.core.types.endpoint import Endpoint
from clew.core.types.signature import Signature
from clew.data.add_table import TableRules, add_table
from clew.data.origin import Origin, newest
from clew.data.site import Site
from clew.data.table import read_manifest, scan_table
from clew.loop.windows import Deciders
from clew.monitoring.logged import read_decisions, read_labels, with_truth

if TYPE_CHECKING:
    import polars as pl

    from clew.settings import HarvestSettings

__all__ = ["harvest"]

_DAY_US = 86_400_000_000
_OVERLAP_US = 60 * _DAY_US
"""How far behind the newest row of the table labels may still have been missing at the last harvest."""


def harvest(
    stores: Stores, endpoint: Endpoint, settings: HarvestSettings, *, until_us: int, deciders: Deciders
) -> DatasetVersion | None:
    """Append decisions whose labels were known by `until_us` to the training table.

    Returns:
        The new version, or None when there is nothing new.

    Raises:
        Invalid: the table is missing, or has other columns than the model takes.
    """
    import polars as pl

    site = Site.of(stores)
    before = newest(site, settings.dataset)
    if before is None or before.kind is not DatasetKind.TABLE:
        raise Invalid(
            f"there is no table {settings.dataset!r} to append labelled decisions to",
            hint=f"clew data add {settings.dataset} FILE",
        )
    table = scan_table(stores.objects, read_manifest(stores.objects, before.manifest)).collect()
    low_us = 0
    if settings.time and table.height:
        low_us = int(table[settings.time].max()) - _OVERLAP_US  # type: ignore[arg-type]
    decisions = read_decisions(stores, endpoint, low_us, until_us, inputs=True)
    labels = read_labels(stores, endpoint, low_us - _OVERLAP_US, until_us + 1)
    if decisions is None or labels is None:
        return None
    parts = []
    for (version,), mine in decisions.partition_by("version", as_dict=True, maintain_order=True).items():
        signature = deciders(str(version)).package.signature
        parts.append(_rows(with_truth(mine, labels, signature).drop_nulls("truth"), signature, settings))
    fresh = pl.concat(parts, how="diagonal_relaxed")
    fresh = _like(fresh, table, settings.dataset)
    if settings.key:
        fresh = fresh.unique(settings.key, keep="first", maintain_order=True)
        fresh = fresh.join(table.select(settings.key), on=settings.key, how="anti", maintain_order="left")
    if not fresh.height:
        return None
    origin = Origin(
        message=f"{fresh.height} labelled decisions of {endpoint.name}",
        parents=[node("data", before.id), node("endpoint", endpoint.id)],
    )
    return add_table(site, settings.dataset, pl.concat([table, fresh]), rules=TableRules(), origin=origin).version


def _rows(labelled: pl.DataFrame, signature: Signature, settings: HarvestSettings) -> pl.DataFrame:
    import polars as pl

    rows = labelled["inputs"].struct.unnest()
    classes = list(signature.classes)
    truth = labelled["truth"]
    if classes:
        truth = truth.replace_strict(list(range(len(classes))), classes)
    extra = {settings.label: truth}
    if settings.key:
        extra[settings.key] = labelled["key"]
    if settings.time:
        extra[settings.time] = labelled["time_us"]
    return rows.with_columns(pl.Series(name, values) for name, values in extra.items())


def _like(fresh: pl.DataFrame, table: pl.DataFrame, name: str) -> pl.DataFrame:
    """The new rows with the table's columns and types."""
    import polars as pl

    missing = [column for column in table.columns if column not in fresh.columns]
    if missing:
        raise Invalid(
            f"the table {name!r} has columns that decisions do not: {', '.join(missing)}",
            hint="name them in [retrain.MODEL.harvest] (label, key, time), or train on a table of the model's inputs",
        )
    try:
        return fresh.select(pl.col(column).cast(dtype) for column, dtype in table.schema.items())
    except pl.exceptions.InvalidOperationError as error:
        raise Invalid(f"labelled decisions do not fit the table {name!r}: {error}") from error
