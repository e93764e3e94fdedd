"""Blocks of points: encoding, decoding, and their summaries.

Not where points come from (`journal`, `drain`) nor where blocks are kept (the ledger). Layout: docs/design/series.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from clew.core.errors import Invalid
from clew.core.types.series import FULL_BLOCK, SeriesBlock
from clew.tracking.columns import decode_block, encode_block

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BLOCK_POINTS", "Points", "block_of", "cut", "join", "points_of"]

BLOCK_POINTS = FULL_BLOCK
_EXACT = 1 << 53


class Points(NamedTuple):
    """Points in order of arrival, one array per column. `steps` is int64 or float64; times are microseconds UTC."""

    steps: NDArray[np.int64] | NDArray[np.float64]
    times_us: NDArray[np.int64]
    values: NDArray[np.float64]


def block_of(run: str, key: str, source: str, points: Points) -> SeriesBlock:
    """Encode and summarise points as one block.

    Raises:
        Invalid: there are none, or a step is not finite.
    """
    import numpy as np

    steps, times, values = points
    if not len(values) or not np.all(np.isfinite(steps)):
        raise Invalid(f"a block of metric {key!r} needs points, and finite steps")
    nan = np.isnan(values)
    numbers = values[~nan] if nan.any() else values
    low, high, total = _range(numbers)
    last = _last(steps, times)
    return SeriesBlock(
        run=run,
        key=key,
        source=source,
        count=len(values),
        nans=len(values) - len(numbers),
        low=low,
        high=high,
        total=total,
        first=float(values[0]),
        last=float(values[last]),
        last_step=float(steps[last]),
        last_time_us=int(times[last]),
        step_low=float(steps.min()),
        step_high=float(steps.max()),
        time_low_us=int(times.min()),
        time_high_us=int(times.max()),
        points=encode_block(steps, times, values),
    )


def points_of(block: SeriesBlock, *, times: bool = True) -> Points:
    """The points of a block; zeros for times that are not wanted.

    Raises:
        Corrupt: its bytes do not hold.
    """
    return Points(*decode_block(block.points, times=times))


def join(parts: Iterable[Points]) -> Points:
    """Points one behind the other; integer steps become floats where the kinds mix."""
    import numpy as np

    found = list(parts)
    if not found:
        none = np.empty(0, dtype=np.int64)
        return Points(none, none.copy(), np.empty(0, dtype=np.float64))
    return Points(*(np.concatenate(column) for column in zip(*found, strict=True)))


def cut(
    steps: NDArray[np.int64], float_step: NDArray[np.bool_]
) -> Iterator[tuple[slice, NDArray[np.int64] | NDArray[np.float64]]]:
    """Where to cut a batch of one series into blocks, and the steps of each, in their kind.

    Args:
        steps: 8 bytes of each step, as a journal has them.
        float_step: which of them are floats.
    """
    import numpy as np

    edges = [0, len(steps)]
    if float_step.any() and not float_step.all():
        whole = steps[~float_step]
        if whole.min() >= -_EXACT and whole.max() <= _EXACT:
            real = np.where(float_step, steps.view(np.float64), steps.astype(np.float64))
            steps, float_step = real.view(np.int64), np.ones_like(float_step)
        else:
            edges[1:1] = (np.flatnonzero(float_step[1:] != float_step[:-1]) + 1).tolist()
    for start, stop in pairwise(edges):
        for low in range(start, stop, BLOCK_POINTS):
            part = slice(low, min(low + BLOCK_POINTS, stop))
            yield part, steps[part].view(np.float64) if float_step[low] else steps[part]


def _range(numbers: NDArray[np.float64]) -> tuple[float, float, float]:
    import numpy as np

    if not len(numbers):
        return math.nan, math.nan, math.nan
    with np.errstate(invalid="ignore", over="ignore"):
        return float(numbers.min()), float(numbers.max()), float(numbers.sum())


def _last(steps: NDArray[np.int64] | NDArray[np.float64], times: NDArray[np.int64]) -> int:
    import numpy as np

    at = np.flatnonzero(steps == steps.max())
    if len(at) > 1:
        at = at[times[at] == times[at].max()]
    return int(at[-1])
