"""Logged decisions of a window, and the truth about them as far as it has come.

Labels join by prediction id, or by the caller's key where a label has no id; of several labels for one decision the
one received last counts. A key that was decided several times gets its label at each of them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.extras import require
from clew.core.types.endpoint import Endpoint
from clew.core.types.signature import ClassLabel, Signature, Task

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_decisions", "read_labels", "read_shadows", "with_truth"]

_DECISIONS = ("id", "key", "time_us", "received_us", "version", "score", "decision")


def read_decisions(
    stores: Stores, endpoint: Endpoint, low_us: int, high_us: int, *, inputs: bool = False
) -> pl.DataFrame | None:
    """Decisions with `low_us ≤ time < high_us`, in the order of the log; None when there are none.

    Args:
        stores: the project.
        endpoint: whose decisions.
        low_us: event time, microseconds.
        high_us: event time, microseconds.
        inputs: with the struct `inputs` of the model's columns.
    """
    columns = (*_DECISIONS, "inputs") if inputs else _DECISIONS
    return _read(stores, endpoint.predictions, low_us, high_us, columns)


def read_shadows(stores: Stores, endpoint: Endpoint, low_us: int, high_us: int) -> pl.DataFrame | None:
    """What versions in shadow said of decisions in a window: `id`, `version`, `score`, `decision`."""
    return _read(stores, endpoint.shadows, low_us, high_us, ("id", "time_us", "version", "score", "decision"))


def read_labels(stores: Stores, endpoint: Endpoint, low_us: int, high_us: int) -> pl.DataFrame | None:
    """Labels whose own time lies in `[low_us, high_us)`: `id`, `key`, `label` (JSON text), `received_us`."""
    return _read(stores, endpoint.labels, low_us, high_us, ("id", "key", "time_us", "received_us", "label"))


def with_truth(decisions: pl.DataFrame, labels: pl.DataFrame | None, signature: Signature) -> pl.DataFrame:
    """Decisions with a column `truth`, null where none has come.

    For a classifier `truth` and `decided` are positions in the signature's classes (Int32), for a regression numbers.
    A label that is none of the classes counts as no label.
    """
    require("polars")
    import polars as pl

    decided = _positions(decisions["decision"], signature).alias("decided")
    if labels is None:
        empty = pl.Series("truth", [None] * decisions.height, dtype=decided.dtype)
        return decisions.with_columns(decided, empty)
    known = labels.with_columns(_positions(_values(labels["label"], signature), signature).alias("truth"))
    known = known.drop_nulls("truth").sort("received_us", maintain_order=True)
    by_id = known.filter(pl.col("id") != "").unique("id", keep="last").select("id", "truth")
    by_key = known.filter(pl.col("id") == "").unique("key", keep="last").select("key", by_key="truth")
    return (
        decisions.with_columns(decided)
        .join(by_id, on="id", how="left", maintain_order="left")
        .join(by_key, on="key", how="left", maintain_order="left")
        .with_columns(pl.coalesce("truth", "by_key").alias("truth"))
        .drop("by_key")
    )


def _read(stores: Stores, log: str, low_us: int, high_us: int, columns: Sequence[str]) -> pl.DataFrame | None:
    require("polars")
    import polars as pl

    with stores.ledger.read() as tx:
        batches = tx.logs.between(log, low_us, high_us)
    frames = [
        frame
        for batch in batches
        if (
            frame := pl.read_parquet(io.BytesIO(stores.objects.get(batch.object)), columns=list(columns)).filter(
                pl.col("time_us").is_between(low_us, high_us, closed="left")
            )
        ).height
    ]
    return pl.concat(frames, how="diagonal_relaxed") if frames else None


def _values(texts: pl.Series, signature: Signature) -> pl.Series:
    """JSON texts as the decision column has them; what does not fit becomes null."""
    import polars as pl

    if signature.task is Task.REGRESSION:
        return texts.cast(pl.Float64, strict=False)
    by_text = {text: at for at, label in enumerate(signature.classes) for text in _spellings(label)}
    return texts.replace_strict(list(by_text), list(by_text.values()), default=None, return_dtype=pl.Int32)


def _positions(values: pl.Series, signature: Signature) -> pl.Series:
    """Class labels as positions; what is a position, or a number of a regression, already stays."""
    import polars as pl

    if signature.task is Task.REGRESSION:
        return values.cast(pl.Float64)
    if values.dtype == pl.Int32 and values.name == "label":
        return values
    classes = list(signature.classes)
    return values.replace_strict(classes, list(range(len(classes))), default=None, return_dtype=pl.Int32)


def _spellings(label: ClassLabel) -> list[str]:
    """How a class may come in JSON: truth values also as 0 and 1, whole numbers also as floats."""
    texts = [msgspec.json.encode(label).decode()]
    if isinstance(label, bool):
        texts += [str(int(label)), f"{int(label)}.0"]
    elif isinstance(label, int):
        texts.append(f"{label}.0")
        if label in (0, 1):
            texts.append("true" if label else "false")
    return texts
