"""Points of metrics on their way in: one at a time, or many, as blocks of series."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from clew.core.hashing import hash_bytes
from clew.core.types.series import SeriesBlock
from clew.server.mlflow.body import MORE
from clew.server.mlflow.limits import bad_value, check_length, check_name
from clew.server.mlflow.refusal import invalid
from clew.tracking.series import Points, block_of

__all__ = ["Metric", "blocks_of", "checked_metric"]

_KEY, _DATASET, _DIGEST = 250, 500, 36
_BYTES = 2000
"""Of the texts of a number that was measured of a logged model: an index of PostgreSQL takes 2,700 in all."""
_LARGEST_STEP = (1 << 63) - 1
_LARGEST_MS = _LARGEST_STEP // 1000


class Metric(msgspec.Struct, frozen=True):
    """One point as it is sent; infinities and NaN come as texts."""

    key: str | None = None
    value: float | str | bool | None = None
    timestamp: int | str | float | None = None
    step: int | str | float = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class Point(msgspec.Struct, frozen=True):
    """One point that can be kept."""

    key: str
    value: float
    time_us: int
    step: int


def checked_metric(metric: Metric, path: str = "") -> Point:
    """A point, if it is one.

    Raises:
        Refusal: its name, value, time, step, model or dataset cannot be used.
    """
    before = f"{path}." if path else ""
    key = metric.key
    if key is None:
        raise invalid(bad_value(f"{before}name", None, "Metric name cannot be None. A key name must be provided."))
    check_name(key, f"{before}name")
    check_length("Metric name", _KEY, key)
    _check_measured(metric, key, before)
    value = _number(metric, before)
    time_ms = _whole(metric.timestamp)
    if time_ms is None or not 0 <= time_ms <= _LARGEST_MS:
        why = f"metric '{key}' (value={metric.value}). Timestamp must be a nonnegative long (64-bit integer) "
        raise invalid(bad_value(f"{before}timestamp", metric.timestamp, why))
    step = _whole(metric.step)
    if step is None or abs(step) > _LARGEST_STEP:
        why = f"metric '{key}' (value={metric.value}). Step must be a valid long (64-bit integer)."
        raise invalid(bad_value(f"{before}step", metric.step, why))
    return Point(key, value, time_ms * 1000, step)


def _check_measured(metric: Metric, key: str, before: str) -> None:
    """Refuse what cannot be kept of a model and a dataset; nothing is kept of a dataset without a model."""
    if not metric.model_id:
        return
    check_length(f"{before}dataset_name", _DATASET, metric.dataset_name)
    check_length(f"{before}dataset_digest", _DIGEST, metric.dataset_digest)
    texts = {name: getattr(metric, name) for name in ("model_id", "dataset_name", "dataset_digest")}
    for name, text in texts.items():
        if "\0" in text:
            raise invalid(bad_value(f"{before}{name}", text, "No text may hold the character 0."))
    if len("".join((key, *texts.values())).encode()) > _BYTES:
        raise invalid(f"The name, model and dataset of metric '{key}' exceed {_BYTES} bytes together")


def _number(metric: Metric, before: str) -> float:
    value = metric.value
    try:
        if isinstance(value, bool) or value is None:
            raise ValueError
        return float(value)
    except ValueError:
        if isinstance(value, str) and not before:
            raise invalid(bad_value("value", value, " Hint: Value was of type 'str'.") + MORE) from None
        why = f"(timestamp={metric.timestamp}). Please specify value as a valid double (64-bit floating point)"
        raise invalid(bad_value(f"{before}value", value, why)) from None


def _whole(value: int | str | float | None) -> int | None:
    if type(value) is int:
        return value
    try:
        number = float(value) if isinstance(value, float) else int(value or "")
        return int(number) if math.isfinite(number) and number == int(number) else None
    except ValueError:
        return None


def blocks_of(run: str, points: Sequence[Point]) -> list[SeriesBlock]:
    """One block for each metric. Its source follows from the points: the same ones, sent again, are skipped."""
    import numpy as np

    by_key: dict[str, list[Point]] = {}
    for point in points:
        by_key.setdefault(point.key, []).append(point)
    blocks = []
    for key, mine in by_key.items():
        steps = np.array([point.step for point in mine], dtype=np.int64)
        times = np.array([point.time_us for point in mine], dtype=np.int64)
        values = np.array([point.value for point in mine], dtype=np.float64)
        source = "rest:" + hash_bytes(steps.tobytes() + times.tobytes() + values.tobytes())[:24]
        blocks.append(block_of(run, key, source, Points(steps, times, values)))
    return blocks
