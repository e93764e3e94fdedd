"""Labelled decisions as training data: what an endpoint decided and learned since, appended to the training table.

The rows are what the model was asked, as it was asked: training and serving cannot differ. The new version is an
ordinary one, with the endpoint among its parents in the lineage. A row is told by its key, so that none comes twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.core.errors import Conflict, Invalid
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.core.types.edge import node
from clew.core.types.signature import Signature
from clew.data.add_table import TableRules, add_table
from clew.data.origin import Origin, newest
from clew.data.site import Site
from clew.data.table import read_manifest, scan_table
from clew.loop.monitor import DAY_US, Monitor
from clew.loop.units import epoch_us
from clew.monitoring.logged import with_truth

if TYPE_CHECKING:
    import polars as pl

    from clew.settings import HarvestSettings

__all__ = ["harvest"]

_OVERLAP_US = 60 * DAY_US
"""How far behind the newest row of the table labels may still have been missing at the last harvest."""


def harvest(monitor: Monitor, settings: HarvestSettings, *, until_us: int) -> DatasetVersion | None:
    """Append decisions whose labels were known by `until_us` to the training table.

    Args:
        monitor: of the endpoint.
        settings: which table, and what its columns are called. A decision without a key of the caller's goes by its
            prediction id.
        until_us: now, in event time.

    Returns:
        The new version, or None when there is nothing new.

    Raises:
        Invalid: there is no such table, it has other columns than decisions do, or nothing tells its rows apart.
        Conflict: somebody else added a version to the table meanwhile.
    """
    import polars as pl

    site = Site.of(monitor.stores)
    before = newest(site, settings.dataset)
    if before is None or before.kind is not DatasetKind.TABLE:
        raise Invalid(
            f"there is no table {settings.dataset!r} to append labelled decisions to",
            hint=f"clew data add {settings.dataset} FILE",
        )
    table = scan_table(site.objects, read_manifest(site.objects, before.manifest)).collect()
    _check(settings, table)
    parts = [
        _like(part, table, settings.dataset) for part in _labelled(monitor, settings, _from(settings, table), until_us)
    ]
    if not parts:
        return None
    fresh = pl.concat(parts).unique(settings.key, keep="first", maintain_order=True)
    fresh = fresh.join(table.select(settings.key), on=settings.key, how="anti", maintain_order="left")
    if not fresh.height:
        return None
    now = newest(site, settings.dataset)
    if now is None or now.id != before.id:
        raise Conflict(
            f"the table {settings.dataset!r} has got another version meanwhile", hint="repeat the retraining"
        )
    origin = Origin(
        message=f"{fresh.height} labelled decisions of {monitor.endpoint.name}",
        parents=[node("data", before.id), node("endpoint", monitor.endpoint.id)],
    )
    return add_table(site, settings.dataset, pl.concat([table, fresh]), rules=TableRules(), origin=origin).version


def _check(settings: HarvestSettings, table: pl.DataFrame) -> None:
    if not settings.key:
        raise Invalid(
            f"nothing tells the rows of {settings.dataset!r} apart, so decisions could be appended twice",
            hint="key = the column for the caller's keys, or for prediction ids, in [retrain.MODEL.harvest]",
        )
    for name in (settings.label, settings.key, *([settings.time] if settings.time else [])):
        if name not in table.columns:
            raise Invalid(
                f"the table {settings.dataset!r} has no column {name!r}, which [retrain.MODEL.harvest] names",
                hint=f"it has {', '.join(table.columns[:20])}",
            )


def _from(settings: HarvestSettings, table: pl.DataFrame) -> int:
    """From when on decisions may be missing in the table."""
    if not settings.time or not table.height:
        return 0
    return int(str(epoch_us(table[settings.time]).max())) - _OVERLAP_US


def _labelled(monitor: Monitor, settings: HarvestSettings, low_us: int, until_us: int) -> list[pl.DataFrame]:
    """The labelled decisions of each model version, with inputs and labels under the names of the table."""
    logs, endpoint = monitor.logs, monitor.endpoint
    labels = logs.labels(endpoint, low_us - _OVERLAP_US, until_us + 1)
    if labels is None:
        return []
    versions = {
        version
        for names in logs.names(logs.batches(endpoint.predictions, low_us, until_us))
        for version in names["version"].unique()
    }
    found = []
    for version in sorted(versions):
        decisions = logs.decisions(endpoint, low_us, until_us, version=version, inputs=True)
        if decisions is not None:
            signature = monitor.deciders(version).package.signature
            found.append(_rows(with_truth(decisions, labels, signature).drop_nulls("truth"), signature, settings))
    return found


def _rows(labelled: pl.DataFrame, signature: Signature, settings: HarvestSettings) -> pl.DataFrame:
    import polars as pl

    classes = list(signature.classes)
    truth = labelled["truth"]
    if classes:
        truth = truth.replace_strict(list(range(len(classes))), classes, return_dtype=pl.Series(classes).dtype)
    key = pl.when(labelled["key"] == "").then(labelled["id"]).otherwise(labelled["key"])
    extra = [truth.alias(settings.label), key.alias(settings.key)]
    if settings.time:
        extra.append(labelled["time_us"].alias(settings.time))
    return labelled["inputs"].struct.unnest().with_columns(extra)


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
        return pl.DataFrame([_as(fresh[column], dtype) for column, dtype in table.schema.items()])
    except pl.exceptions.PolarsError as error:
        words = str(error).splitlines()[0]
        raise Invalid(f"labelled decisions do not fit the table {name!r}: {words}") from error


def _as(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Values in the table's type; nothing is rounded.

    Raises:
        Invalid: whole numbers are wanted, and these are not.
    """
    import polars as pl

    if dtype.is_temporal() and values.dtype.is_integer():  # the log holds microseconds, whatever the table counts in
        values = values.cast(pl.Datetime("us", getattr(dtype, "time_zone", None)))
    found = values.cast(dtype)
    if values.dtype.is_float() and dtype.is_integer() and not found.cast(values.dtype).equals(values):
        raise Invalid(f"column {values.name!r} of the table takes whole numbers only, and decisions hold others")
    return found
