"""Labels from a file or a frame, for truth that does not come over HTTP."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid
from clew.core.extras import require
from clew.core.hashing import hash_bytes
from clew.core.ids import is_id
from clew.core.types.dataset import LogBatch
from clew.core.types.endpoint import Endpoint
from clew.data.absent import no_file
from clew.loop.monitor import Deciders
from clew.monitoring.logged import labels_in

if TYPE_CHECKING:
    import polars as pl
from clew.store.account import append_batches

__all__ = ["add_labels", "read_label_file"]


def read_label_file(path: Path) -> pl.DataFrame:
    """A CSV or Parquet file as a frame.

    Raises:
        NotFound: there is no such file.
        Invalid: it cannot be read.
    """
    require("polars")
    import polars as pl

    if not path.is_file():
        raise no_file(path)
    try:
        return pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema_length=None)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise Invalid(
            f"{path} cannot be read: {str(error).splitlines()[0]}", hint="give a CSV or Parquet file"
        ) from error


def add_labels(
    stores: Stores,
    endpoint: Endpoint,
    rows: pl.DataFrame,
    *,
    label: str,
    by_id: str = "",
    by_key: str = "",
    time_us: int = 0,
) -> int:
    """Append labels to an endpoint's log; survives *power*. The same rows again add nothing.

    Args:
        stores: the project.
        endpoint: whose decisions the labels are about.
        rows: one row a label.
        label: column of the truth; null means that it is not known.
        by_id: column of prediction ids.
        by_key: column of the caller's keys; one of the two.
        time_us: since when the labels are known; now when 0.

    Returns:
        How many labels were added.

    Raises:
        Invalid: a column is missing or names nothing, or a label is nothing that the endpoint decides.
    """
    import polars as pl

    if bool(by_id) == bool(by_key):
        raise Invalid(
            "labels need a column of prediction ids or of keys, one of them", hint="--id COLUMN or --key COLUMN"
        )
    name = by_id or by_key
    for column in (name, label):
        if column not in rows.columns:
            raise Invalid(f"the labels have no column {column!r}", hint=f"they have {', '.join(rows.columns[:20])}")
    known = rows.drop_nulls(label)
    if known[label].dtype.is_float():
        known = known.filter(pl.col(label).is_not_nan())
    names = known[name].cast(pl.String)
    if names.null_count():
        raise Invalid(f"column {name!r} is null in {names.null_count()} rows", hint="every label says what it is about")
    if by_id and (odd := [text for text in names.to_list() if not is_id(text)]):
        raise Invalid(f"{odd[0]!r} is no id of a prediction", hint="say --key for names of your own")
    if not known.height:
        return 0
    texts = pl.Series([msgspec.json.encode(value).decode() for value in known[label].to_list()], dtype=pl.String)
    _refuse_odd(stores, endpoint, texts)
    now_us = stores.clock.now_us()
    frame = pl.DataFrame(
        {
            "id": names if by_id else [""] * known.height,
            "key": names if by_key else [""] * known.height,
            "time_us": [time_us or now_us] * known.height,
            "received_us": [now_us] * known.height,
            "label": texts,
        }
    )
    content = io.BytesIO()
    frame.write_parquet(content, compression="zstd")
    essence = hash_bytes(frame.select("id", "key", "label").write_csv().encode())
    batch = LogBatch(
        dataset=endpoint.labels,
        position=0,
        object=stores.objects.put(content.getvalue()),
        rows=frame.height,
        size_bytes=len(content.getvalue()),
        time_low_us=time_us or now_us,
        time_high_us=time_us or now_us,
        id_low=str(frame["id"].min()),
        id_high=str(frame["id"].max()),
        created_us=now_us,
        source=f"file/{essence}@0",
    )
    with stores.ledger.write() as tx:
        return frame.height if append_batches(stores, tx, [batch]) else 0


def _refuse_odd(stores: Stores, endpoint: Endpoint, texts: pl.Series) -> None:
    """Labels that the version that answers now can never be right about are a mistake in the file."""
    with stores.ledger.read() as tx:
        held = {move.alias: move.version for move in tx.models.aliases(endpoint.model)}
    if endpoint.alias not in held:
        return
    signature = Deciders(stores)(held[endpoint.alias]).package.signature
    odd = texts.filter(labels_in(texts, signature).is_null())
    if odd.len():
        wanted = ", ".join(str(label) for label in signature.classes) or "numbers"
        raise Invalid(
            f"{odd.len()} labels are nothing that {endpoint.name} decides, the first one {odd[0]}",
            hint=f"it decides {wanted}",
        )
