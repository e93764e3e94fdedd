"""Records of a journal as the rows of a log: what a batch of each log holds.

Decisions are taken up row by row into plain lists, not kept as records: a thousand records are twenty thousand small
lists, over which the garbage collector goes again and again (measured at 147 µs a record, against 3).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from clew.core.extras import require
from clew.core.types.signature import Dtype, Signature
from clew.serving.records import DecisionRecord, LabelRecord, ShadowRecord, row_id

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DecisionRows", "label_frame", "shadow_frame"]


class DecisionRows:
    """The rows of decisions of one version."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._requests: list[str] = []
        self._rows: list[int] = []
        self._keys: list[str] = []
        self._times: list[tuple[int, int, int]] = []
        self._runtimes: list[str] = []
        self._version = ""
        self._scores: list[float] = []
        self._decisions: list[Any] = []
        self._inputs: defaultdict[str, list[Any]] = defaultdict(list)

    def add(self, record: DecisionRecord) -> None:
        """Take up one request."""
        count, first = record.rows, record.first_id
        self._version = record.version
        self.ids += [row_id(first, row) for row in range(count)]
        self._requests += [record.request or first] * count
        self._rows += range(count)
        self._keys += record.keys or [""] * count
        self._times += [(record.time_us, record.received_us, record.latency_us)] * count
        self._runtimes += [record.runtime] * count
        self._scores += record.scores
        self._decisions += record.decisions
        inputs = self._inputs
        for name, values in record.columns.items():
            inputs[name] += values

    def frame(self, signature: Signature) -> pl.DataFrame:
        """One row per decision; `inputs` is a struct of the model's columns."""
        require("polars")
        import polars as pl

        inputs = [pl.Series(each.name, self._inputs[each.name], dtype=_dtype(each.dtype)) for each in signature.inputs]
        times, received, latencies = zip(*self._times, strict=True)
        return pl.DataFrame(
            {
                "id": self.ids,
                "request": self._requests,
                "row": pl.Series(self._rows, dtype=pl.Int32),
                "key": self._keys,
                "time_us": pl.Series(times, dtype=pl.Int64),
                "received_us": pl.Series(received, dtype=pl.Int64),
                "latency_us": pl.Series(latencies, dtype=pl.Int64),
                "version": [self._version] * len(self.ids),
                "runtime": self._runtimes,
                "score": pl.Series(self._scores, dtype=pl.Float64),
                "decision": self._decisions,
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
