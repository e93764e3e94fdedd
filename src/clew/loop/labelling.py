"""Labels from a file or a frame, for truth that does not come over HTTP.

All of a file counts, or nothing of it: what could be meant in two ways is refused, with an example.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid
from clew.core.hashing import hash_bytes
from clew.core.ids import is_id
from clew.core.numbers import counted
from clew.core.types.dataset import LogBatch
from clew.core.types.endpoint import Endpoint
from clew.core.types.signature import Signature
from clew.data.ingest import load_table
from clew.loop.labelled import holding
from clew.loop.monitor import Deciders
from clew.loop.waiting import waiting_requests
from clew.monitoring.logged import LogReader, labels_in
from clew.serving.records import DecisionRecord, row_id
from clew.store.account import append_batches

if TYPE_CHECKING:
    import polars as pl

__all__ = ["add_labels", "count_unknown", "read_label_file"]


def read_label_file(stores: Stores, endpoint: Endpoint, path: Path, *, label: str, name: str) -> pl.DataFrame:
    """A CSV, TSV, Parquet or JSON-lines file as a frame.

    Names stay the texts that they are (`007`), and so do labels where the endpoint decides between texts.

    Args:
        stores: the project.
        endpoint: whose decisions the labels are about.
        path: the file.
        label: column of the truth.
        name: column of ids or keys.

    Raises:
        NotFound: there is no such file.
        Invalid: it cannot be read, or holds no rows.
        Conflict: it changed while it was read.
    """
    import polars as pl

    signature = _signature(stores, endpoint)
    texts = [name]
    if signature is not None and any(isinstance(each, str) for each in signature.classes):
        texts.append(label)
    return load_table(path, dict.fromkeys(texts, pl.String())).frame


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
    """Append labels to an endpoint's log; survives *power*.

    The same rows again add nothing, unless others came between that say something else of these decisions.

    Args:
        stores: the project.
        endpoint: whose decisions the labels are about.
        rows: one row a label.
        label: column of the truth; null, NaN or an empty text mean that it is not known.
        by_id: column of prediction ids.
        by_key: column of the caller's keys; one of the two.
        time_us: since when the labels are known; now when 0.

    Returns:
        How many labels were added.

    Raises:
        Invalid: a column is missing or names nothing, a label is nothing that the endpoint decides, or one decision has
            two labels.
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
    known = _known(rows, label)
    names, texts = _names(known[name], ids=bool(by_id)), _texts(known[label])
    if not known.height:
        return 0
    signature = _signature(stores, endpoint)
    if signature is not None:
        _refuse_odd(endpoint, names, texts, signature)
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
    batch = _batch(stores, endpoint, frame)
    with stores.ledger.write() as tx:
        return frame.height if append_batches(stores, tx, [batch]) else 0


def count_unknown(
    stores: Stores, endpoint: Endpoint, rows: pl.DataFrame, *, label: str, by_id: str = "", by_key: str = ""
) -> int:
    """How many labels are about no decision of the endpoint, in its log or on the way there.

    Args:
        stores: the project.
        endpoint: whose decisions the labels are about.
        rows: labels that were added; the columns as in `add_labels`.
        label: column of the truth.
        by_id: column of prediction ids.
        by_key: column of the caller's keys; one of the two.
    """
    import polars as pl

    column = "id" if by_id else "key"
    left = _known(rows, label).select(pl.col(by_id or by_key).cast(pl.String).alias(column))
    waiting = {name for record in waiting_requests(stores, endpoint) for name in _called(record, column)}
    left = left.filter(~pl.col(column).is_in(list(waiting)))
    with stores.ledger.read() as tx:
        batches = tx.logs.list(endpoint.predictions)
    if by_id:
        batches = holding(batches, left)
    for decisions in LogReader(stores).names(reversed(batches)):  # most labels are about the newest decisions
        if not left.height:
            break
        left = left.join(decisions, on=column, how="anti")
    return left.height


def _batch(stores: Stores, endpoint: Endpoint, frame: pl.DataFrame) -> LogBatch:
    """Labels of one time, stored, as a batch of their log."""
    content = io.BytesIO()
    frame.write_parquet(content, compression="zstd")
    return LogBatch(
        dataset=endpoint.labels,
        position=0,
        object=stores.objects.put(content.getvalue()),
        rows=frame.height,
        size_bytes=len(content.getvalue()),
        time_low_us=frame["time_us"][0],
        time_high_us=frame["time_us"][0],
        id_low=str(frame["id"].min()),
        id_high=str(frame["id"].max()),
        created_us=frame["received_us"][0],
        source=_source(stores, endpoint, frame),
    )


def _source(stores: Stores, endpoint: Endpoint, frame: pl.DataFrame) -> str:
    """What the log knows these labels by: another word than before where later ones contradict them."""
    word = f"file/{hash_bytes(frame.select('id', 'key', 'label').write_csv().encode())}@"
    with stores.ledger.read() as tx:
        batches = tx.logs.list(endpoint.labels)
    same = [batch for batch in batches if batch.source.startswith(word)]
    if not same:
        return f"{word}0"
    last = same[-1]
    later = LogReader(stores).labels_behind(endpoint, last.position, batches[-1].position)
    return f"{word}{last.position}" if any(_contradicts(each, frame) for each in later) else last.source


def _contradicts(later: pl.DataFrame, frame: pl.DataFrame) -> bool:
    """Whether labels say something else of a decision, or may: those that call decisions in the other way."""
    import polars as pl

    name = "id" if frame["id"][0] else "key"
    both = later.join(frame.select(name, before="label"), on=name, how="left")
    return both.filter((pl.col(name) == "") | (pl.col("before") != pl.col("label"))).height > 0


def _called(record: DecisionRecord, column: str) -> Iterable[str]:
    return record.keys if column == "key" else (row_id(record.first_id, row) for row in range(record.rows))


def _known(rows: pl.DataFrame, label: str) -> pl.DataFrame:
    """The rows whose truth is known."""
    import polars as pl

    known = rows.drop_nulls(label)
    if known[label].dtype.is_float():
        return known.filter(pl.col(label).is_not_nan())
    if known[label].dtype == pl.String:  # as files say it that quote every field
        return known.filter(pl.col(label) != "")
    return known


def _names(column: pl.Series, *, ids: bool) -> pl.Series:
    """Ids or keys as texts."""
    import polars as pl

    dtype = column.dtype
    if column.null_count() < column.len() and not (dtype.is_integer() or dtype in (pl.String, pl.Categorical, pl.Enum)):
        raise Invalid(
            f"column {column.name!r} holds {dtype}, which names no decision", hint="give texts, or whole numbers"
        )
    names = column.cast(pl.String)
    if missing := int(names.null_count() + (names == "").sum()):
        raise Invalid(
            f"column {column.name!r} is empty in {counted(missing, 'rows')}", hint="every label says what it is about"
        )
    if ids and (odd := [text for text in names.to_list() if not is_id(text)]):
        raise Invalid(f"{odd[0][:60]!r} is no id of a prediction", hint="say --key for names of your own")
    return names


def _texts(column: pl.Series) -> pl.Series:
    """Labels as JSON texts."""
    import polars as pl

    dtype = column.dtype
    if dtype.is_integer():
        return column.cast(pl.String)
    if dtype.is_decimal():
        column, dtype = column.cast(pl.Float64), pl.Float64()
    if not (dtype.is_float() or dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null)):
        raise Invalid(
            f"column {column.name!r} holds {dtype}, which is no label", hint="give texts, numbers, or true and false"
        )
    return pl.Series([msgspec.json.encode(value).decode() for value in column.to_list()], dtype=pl.String)


def _signature(stores: Stores, endpoint: Endpoint) -> Signature | None:
    """What the version that answers decides; what the newest version does where none answers now."""
    with stores.ledger.read() as tx:
        held = {move.alias: move.version for move in tx.models.aliases(endpoint.model)}
        newest = tx.models.newest(endpoint.model)
    version = held.get(endpoint.alias) or (newest.id if newest is not None and newest.package else "")
    return Deciders(stores)(version).package.signature if version else None


def _refuse_odd(endpoint: Endpoint, names: pl.Series, texts: pl.Series, signature: Signature) -> None:
    """What can never be right, and what cannot both be, are mistakes in the file."""
    import polars as pl

    found = labels_in(texts, signature)
    odd = texts.filter(found.is_null() | ~_finite(found))
    if odd.len():
        wanted = ", ".join(str(label) for label in signature.classes) or "numbers"
        count = "1 label is" if odd.len() == 1 else f"{odd.len()} labels are"
        raise Invalid(
            f"{count} nothing that {endpoint.name} decides, the first one {odd[0][:60]}",
            hint=f"it decides {wanted}",
        )
    several = pl.DataFrame({"name": names, "label": found}).unique().filter(pl.col("name").is_duplicated())
    if several.height:
        example = several["name"][0]
        raise Invalid(
            f"{several['name'].n_unique()} decisions have two labels each, such as {example[:60]!r}",
            hint="keep one row for each; a later file may correct an earlier one",
        )


def _finite(found: pl.Series) -> pl.Series:
    return found.cast(float, strict=False).is_finite()
