"""Records of a journal as the rows of a log: what a batch of each log holds.

Decisions are taken up row by row into plain tuples, not kept as records: a thousand records are twenty thousand small
lists, over which the garbage collector goes again and again (measured at 147 µs a record, against 2); of tuples of
numbers and texts it soon lets go.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from clew.core.extras import require
from clew.core.types.signature import Dtype, Signature, Task
from clew.serving.records import DecisionRecord, LabelRecord, ShadowRecord, row_id

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DecisionRows", "label_frame", "shadow_frame"]

_first = itemgetter(0)


class DecisionRows:
    """The rows of decisions of one version."""

    def __init__(self) -> None:
        self._version = ""
        self._names: list[str] = []
        self._inputs: list[tuple[Any, ...]] = []
        self._rows: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, record: DecisionRecord) -> None:
        """Take up one request."""
        first, columns = record.first_id, record.columns
        if self._names != list(columns):  # as a rule those of one version stand in one order
            self._version, self._names = record.version, self._names or list(columns)
            columns = {name: columns[name] for name in self._names}
        request = record.request or first
        times = (record.time_us, record.received_us, record.latency_us, record.runtime)
        if record.rows == 1:
            self._inputs.append(tuple(map(_first, columns.values())))
            key = record.keys[0] if record.keys else ""
            scores = record.class_scores[0] if record.class_scores else None
            self._rows.append((first, request, 0, key, *times, record.scores[0], record.decisions[0], scores))
            return
        self._inputs += zip(*columns.values(), strict=True)
        keys = record.keys or [""] * record.rows
        class_scores: Sequence[list[float] | None] = record.class_scores or [None] * record.rows
        answers = zip(keys, record.scores, record.decisions, class_scores, strict=True)
        for row, (key, score, decision, scores) in enumerate(answers):
            self._rows.append((row_id(first, row), request, row, key, *times, score, decision, scores))

    def frame(self, signature: Signature) -> pl.DataFrame:
        """One row per decision; `inputs` is a struct of the model's columns. `scores`, those of all classes, is there
        for a model of several classes only."""
        require("polars")
        import polars as pl

        given = dict(zip(self._names, zip(*self._inputs, strict=True), strict=True))
        inputs = [pl.Series(each.name, given[each.name], dtype=_dtype(each.dtype)) for each in signature.inputs]
        ids, requests, rows, keys, times, received, latencies, runtimes, scores, decisions, class_scores = zip(
            *self._rows, strict=True
        )
        several = signature.task is Task.MULTICLASS
        of_classes = {"scores": pl.Series(class_scores, dtype=pl.List(pl.Float64))} if several else {}
        return pl.DataFrame(
            {
                "id": ids,
                "request": requests,
                "row": pl.Series(rows, dtype=pl.Int32),
                "key": keys,
                "time_us": pl.Series(times, dtype=pl.Int64),
                "received_us": pl.Series(received, dtype=pl.Int64),
                "latency_us": pl.Series(latencies, dtype=pl.Int64),
                "version": [self._version] * len(ids),
                "runtime": runtimes,
                "score": pl.Series(scores, dtype=pl.Float64),
                "decision": decisions,
                **of_classes,
                "inputs": pl.DataFrame(inputs).to_struct("inputs"),
            }
        )


def shadow_frame(records: list[ShadowRecord]) -> pl.DataFrame:
    require("polars")
    import polars as pl

    counts = [len(record.scores) for record in records]
    return pl.DataFrame(
        {
            "id": [row_id(record.first_id, row) for record in records for row in range(len(record.scores))],
            "time_us": _repeat([record.time_us for record in records], counts),
            "version": _repeat([record.version for record in records], counts),
            "runtime": _repeat([record.runtime for record in records], counts),
            "score": pl.Series([score for record in records for score in record.scores], dtype=pl.Float64),
            "decision": [decision for record in records for decision in record.decisions],
        }
    )


def label_frame(records: list[LabelRecord]) -> pl.DataFrame:
    """`label` is the JSON text of the value, so that one column holds what any model decides."""
    require("polars")
    import polars as pl

    counts = [len(record.labels) for record in records]
    return pl.DataFrame(
        {
            "id": [id for record in records for id in record.ids],  # noqa: A001
            "key": [key for record in records for key in record.keys],
            "time_us": _repeat([record.time_us for record in records], counts),
            "received_us": _repeat([record.received_us for record in records], counts),
            "label": [msgspec.json.encode(label).decode() for record in records for label in record.labels],
        }
    )


def _repeat(values: list[Any], counts: list[int]) -> list[Any]:
    return [value for value, count in zip(values, counts, strict=True) for _ in range(count)]


def _dtype(dtype: Dtype) -> Any:
    """The column type in the log. Numbers stay as they came: a model that takes 32 bits narrows them itself."""
    require("polars")
    import polars as pl

    return {
        Dtype.BOOL: pl.Boolean,
        Dtype.INT64: pl.Int64,
        Dtype.TIME: pl.Int64,
        Dtype.FLOAT32: pl.Float64,
        Dtype.FLOAT64: pl.Float64,
        Dtype.STRING: pl.String,
    }[dtype]
