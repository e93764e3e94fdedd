"""Logged decisions of a window, and the truth about them as far as it has come.

Labels join by prediction id, or by the caller's key where a label has no id; of several labels for one decision the
one received last counts. A key that was decided several times gets its label at each of them.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from clew.core.contracts.stores import Stores
from clew.core.extras import require
from clew.core.ids import Digest
from clew.core.types.dataset import LogBatch
from clew.core.types.endpoint import Endpoint
from clew.core.types.signature import Signature, Task, spellings
from clew.monitoring.profile import decode_hours

if TYPE_CHECKING:
    import polars as pl

    from clew.core.types.profile import HourCounts

__all__ = ["EVER_US", "LogReader", "labels_in", "read_decisions", "read_labels", "with_truth"]

EVER_US = 2**62
"""Behind every time that a row can have."""

_DECISION = ("id", "key", "time_us", "version", "score", "decision")
_CLASS_SCORES = "scores"
_NAMES = ("id", "key", "time_us", "version")
_SHADOW = ("id", "time_us", "version", "score", "decision")
_LABEL = ("id", "key", "time_us", "received_us", "label")
_PIECE_ROWS = 200_000

T = TypeVar("T")


class LogReader:
    """Reads the logs of endpoints, and keeps what it read last: batches never change.

    Used by one thread. All rows come in the order of the log.

    Args:
        stores: the project.
        most_bytes: how much of what was read is kept.
    """

    def __init__(self, stores: Stores, *, most_bytes: int = 256 << 20) -> None:
        self._stores, self._most_bytes = stores, most_bytes
        self._kept: OrderedDict[tuple[str, ...], tuple[object, int]] = OrderedDict()
        self._size_bytes = 0

    def decisions(
        self,
        endpoint: Endpoint,
        low_us: int,
        high_us: int,
        *,
        version: str = "",
        until: int | None = None,
        inputs: bool = False,
        classes: bool = False,
    ) -> pl.DataFrame | None:
        """Decisions with `low_us ≤ time < high_us`; None when there are none.

        Args:
            endpoint: whose decisions.
            low_us: event time, microseconds.
            high_us: event time, microseconds.
            version: only those of this model version.
            until: the last batch to read, by its position in the log.
            inputs: with the struct `inputs` of the model's columns; read with `version`, whose columns they are.
            classes: with `scores`, the lists of scores of all classes; null where they were not logged.
        """
        batches = self.batches(endpoint.predictions, low_us, high_us, until=until)
        columns = (*_DECISION, *(["inputs"] if inputs else []), *([_CLASS_SCORES] if classes else []))
        return self._rows(batches, columns, low_us, high_us, version=version)

    def shadows(self, endpoint: Endpoint, low_us: int, high_us: int, *, version: str) -> pl.DataFrame | None:
        """What a version in shadow said of decisions in a window: `id`, `time_us`, `version`, `score`, `decision`."""
        batches = self.batches(endpoint.shadows, low_us, high_us)
        return self._rows(batches, _SHADOW, low_us, high_us, version=version)

    def labels(
        self, endpoint: Endpoint, low_us: int, high_us: int = EVER_US, *, until: int | None = None
    ) -> pl.DataFrame | None:
        """Labels whose own time lies in `[low_us, high_us)`: `id`, `key`, `label` (JSON text), `received_us`."""
        return self._rows(self.batches(endpoint.labels, low_us, high_us, until=until), _LABEL, low_us, high_us)

    def labels_behind(self, endpoint: Endpoint, after: int, until: int) -> Iterator[pl.DataFrame]:
        """Labels in the batches behind position `after` up to `until`, many at once."""
        with self._stores.ledger.read() as tx:
            batches = tx.logs.list(endpoint.labels, after=after, until=until)
        return self._pieces(batches, _LABEL)

    def names(self, batches: Iterable[LogBatch]) -> Iterator[pl.DataFrame]:
        """What decisions are called, when they were and who made them: `id`, `key`, `time_us`, `version`, many at
        once."""
        return self._pieces(batches, _NAMES)

    def batches(self, log: str, low_us: int, high_us: int, *, until: int | None = None) -> list[LogBatch]:
        """The batches of a log that may hold rows with `low_us ≤ time < high_us`."""
        with self._stores.ledger.read() as tx:
            found = tx.logs.between(log, low_us, high_us)
        return [batch for batch in found if until is None or batch.position <= until]

    def counts(self, digest: Digest) -> HourCounts:
        """Counts by hour, of a batch or a window."""

        def read() -> tuple[HourCounts, int]:
            data = self._stores.objects.get(digest)
            return decode_hours(data), 50 * len(data)

        return self._keep((digest,), read)

    def _rows(
        self, batches: Iterable[LogBatch], columns: Sequence[str], low_us: int, high_us: int, *, version: str = ""
    ) -> pl.DataFrame | None:
        import polars as pl

        frames = []
        for batch in batches:
            frame = self._frame(batch, columns)
            if version:
                frame = frame.filter(pl.col("version") == version)
            if batch.time_low_us < low_us or batch.time_high_us >= high_us:
                frame = frame.filter(pl.col("time_us").is_between(low_us, high_us, closed="left"))
            if frame.height:
                frames.append(frame)
        return pl.concat(frames, how="vertical_relaxed") if frames else None

    def _pieces(self, batches: Iterable[LogBatch], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Rows in frames of bounded size: those of small batches together."""
        import polars as pl

        waiting: list[pl.DataFrame] = []
        rows = 0
        for batch in batches:
            waiting.append(self._frame(batch, columns))
            rows += batch.rows
            if rows >= _PIECE_ROWS:
                yield pl.concat(waiting)
                waiting, rows = [], 0
        if waiting:
            yield pl.concat(waiting)

    def _frame(self, batch: LogBatch, columns: Sequence[str]) -> pl.DataFrame:
        def read() -> tuple[pl.DataFrame, int]:
            require("polars")
            import polars as pl

            content = io.BytesIO(self._stores.objects.get(batch.object))
            there = columns
            if _CLASS_SCORES in columns and _CLASS_SCORES not in pl.read_parquet_schema(content):
                there = tuple(column for column in columns if column != _CLASS_SCORES)
            frame = pl.read_parquet(content, columns=list(there))
            if there != columns:
                frame = frame.with_columns(pl.lit(None, dtype=pl.List(pl.Float64)).alias(_CLASS_SCORES))
            return frame, int(frame.estimated_size())

        return self._keep((batch.object, *columns), read) if "inputs" not in columns else read()[0]

    def _keep(self, key: tuple[str, ...], read: Callable[[], tuple[T, int]]) -> T:
        with suppress(KeyError):
            found: T = self._kept[key][0]  # type: ignore[assignment]  # the key says which type it is
            self._kept.move_to_end(key)
            return found
        value, size_bytes = read()
        self._kept[key] = (value, size_bytes)
        self._size_bytes += size_bytes
        while self._size_bytes > self._most_bytes:
            self._size_bytes -= self._kept.popitem(last=False)[1][1]
        return value


def read_decisions(stores: Stores, endpoint: Endpoint, low_us: int, high_us: int) -> pl.DataFrame | None:
    """See `LogReader.decisions`."""
    return LogReader(stores).decisions(endpoint, low_us, high_us)


def read_labels(stores: Stores, endpoint: Endpoint, low_us: int, high_us: int) -> pl.DataFrame | None:
    """See `LogReader.labels`."""
    return LogReader(stores).labels(endpoint, low_us, high_us)


def with_truth(decisions: pl.DataFrame, labels: pl.DataFrame | None, signature: Signature) -> pl.DataFrame:
    """Decisions of one model version with the columns `decided` and `truth`, which is null where none has come.

    For a classifier both are positions in the signature's classes (Int32), for a regression numbers. A label that is
    none of the classes counts as no label.
    """
    import polars as pl

    decided = _positions(decisions["decision"], signature).alias("decided")
    rows = decisions.with_columns(decided)
    if labels is None:
        return rows.with_columns(pl.lit(None, dtype=decided.dtype).alias("truth"))
    known = labels.with_columns(labels_in(labels["label"], signature).alias("truth"))
    known = known.drop_nulls("truth").select("id", "key", "received_us", "truth")
    ids, keys = decisions.select("id"), decisions.filter(pl.col("key") != "").select("key", of="id")
    by_id = known.filter(pl.col("id") != "").join(ids, on="id", how="semi", maintain_order="left")
    by_key = known.filter(pl.col("id") == "").join(keys, on="key", how="inner", maintain_order="left")
    found = pl.concat(
        [by_id.select("id", "received_us", "truth"), by_key.select("received_us", "truth", id="of")], how="diagonal"
    )
    last = found.sort("received_us", maintain_order=True).unique("id", keep="last").select("id", "truth")
    return rows.join(last, on="id", how="left", maintain_order="left")


def labels_in(texts: pl.Series, signature: Signature) -> pl.Series:
    """JSON texts of labels as a model knows them: positions in its classes (Int32), or numbers; else null."""
    import polars as pl

    if signature.task is Task.REGRESSION:
        return texts.str.strip_chars('"').cast(pl.Float64, strict=False)
    by_text = {text: at for at, label in enumerate(signature.classes) for text in spellings(label)}
    return texts.replace_strict(list(by_text), list(by_text.values()), default=None, return_dtype=pl.Int32)


def _positions(decisions: pl.Series, signature: Signature) -> pl.Series:
    """Decisions of a classifier as positions in its classes; those of a regression stay numbers."""
    import polars as pl

    if signature.task is Task.REGRESSION:
        return decisions.cast(pl.Float64)
    classes = list(signature.classes)
    return decisions.replace_strict(classes, list(range(len(classes))), default=None, return_dtype=pl.Int32)
