"""Series as a chart of some width shows them: for each pixel the lowest, the highest and the last value.

A block that lies within one pixel is taken from its summary, so that a long series costs what it shows. Not the means
that the command line draws (`curve`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from clew.core.errors import Invalid
from clew.core.types.series import Sample, SeriesBlock
from clew.tracking.series import points_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

__all__ = ["MOST_WIDTH", "sample"]

MOST_WIDTH = 10_000


class _Items(NamedTuple):
    """Points, or what summaries say of many points, by column."""

    steps: Reals
    times: NDArray[np.int64]
    lows: Reals
    highs: Reals
    lasts: Reals


def sample(
    blocks: Mapping[str, Sequence[SeriesBlock]],
    key: str,
    *,
    width: int,
    low: float | None = None,
    high: float | None = None,
) -> list[Sample]:
    """One series of several runs over one axis.

    Args:
        blocks: of each run, in order of arrival.
        key: of the series.
        width: pixels of the axis, 1 to `MOST_WIDTH`.
        low: the step at its left end; the least of all when None.
        high: the step at its right end, which belongs to it; the greatest of all when None.

    Returns:
        A sample for each run that has blocks.

    Raises:
        Invalid: the width or the range is none.
        Corrupt: a block cannot be read.
    """
    every = [block for some in blocks.values() for block in some]
    low = min((block.step_low for block in every), default=0.0) if low is None else float(low)
    high = max((block.step_high for block in every), default=0.0) if high is None else float(high)
    if not 1 <= width <= MOST_WIDTH:
        raise Invalid(f"a chart cannot be {width} pixels wide", hint=f"1 to {MOST_WIDTH:,}")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise Invalid(f"steps from {low} to {high} are no range", hint="give finite numbers")
    return [_sample(run, key, some, width, low, high) for run, some in blocks.items() if some]


def _sample(run: str, key: str, blocks: Sequence[SeriesBlock], width: int, low: float, high: float) -> Sample:
    import numpy as np

    within = [block for block in blocks if block.step_low <= high and block.step_high >= low]
    items, count = _items(within, width, low, high)
    pixels = _pixels(items.steps, width, low, high)
    starts = np.flatnonzero(np.append(True, pixels[1:] != pixels[:-1])) if len(pixels) else pixels
    if not len(starts):
        return Sample(run=run, key=key, count=0, exact=True, steps=[], lows=[], highs=[], lasts=[])
    ends = np.append(starts[1:], len(pixels)) - 1
    return Sample(
        run=run,
        key=key,
        count=count,
        exact=len(starts) == count,
        steps=items.steps[ends].tolist(),
        lows=np.fmin.reduceat(items.lows, starts).tolist(),
        highs=np.fmax.reduceat(items.highs, starts).tolist(),
        lasts=items.lasts[ends].tolist(),
    )


def _items(blocks: Sequence[SeriesBlock], width: int, low: float, high: float) -> tuple[_Items, int]:
    """What falls into the range, by (step, time, arrival), and how many points that is.

    Times are read only where they decide: where a step comes twice, or steps go back.
    """
    import numpy as np

    whole = [_within_pixel(block, width, low, high) for block in blocks]
    items, count = _read(blocks, whole, low, high, times=False)
    if not np.all(items.steps[1:] > items.steps[:-1]):
        items, _ = _read(blocks, whole, low, high, times=True)
        order = np.lexsort((items.times, items.steps))
        items = _Items._make(column[order] for column in items)
    return items, count


def _read(
    blocks: Sequence[SeriesBlock], whole: Sequence[bool], low: float, high: float, *, times: bool
) -> tuple[_Items, int]:
    import numpy as np

    parts, count = [_none()], 0
    for block, summary in zip(blocks, whole, strict=True):
        part = _summary(block) if summary else _points(block, low, high, times=times)
        count += block.count if summary else len(part.steps)
        parts.append(part)
    steps, when, lows, highs, lasts = zip(*parts, strict=True)
    joined = np.concatenate(lasts)
    if not any(whole):  # points are their own extremes
        return _Items(np.concatenate(steps), np.concatenate(when), joined, joined, joined), count
    return _Items(
        np.concatenate(steps), np.concatenate(when), np.concatenate(lows), np.concatenate(highs), joined
    ), count


def _summary(block: SeriesBlock) -> _Items:
    import numpy as np

    row = (block.last_step, block.last_time_us, block.low, block.high, block.last)
    return _Items(*(np.array([value]) for value in row))


def _points(block: SeriesBlock, low: float, high: float, *, times: bool) -> _Items:
    import numpy as np

    points = points_of(block, times=times)
    steps, values, when = points.steps.astype(np.float64), points.values, points.times_us
    if block.step_low < low or block.step_high > high:
        inside = (steps >= low) & (steps <= high)
        steps, values, when = steps[inside], values[inside], when[inside]
    return _Items(steps, when, values, values, values)


def _none() -> _Items:
    import numpy as np

    nothing = np.empty(0)
    return _Items(nothing, np.empty(0, dtype=np.int64), nothing, nothing, nothing)


def _within_pixel(block: SeriesBlock, width: int, low: float, high: float) -> bool:
    """Whether a block lies in the range and within one pixel of it."""
    if block.step_low < low or block.step_high > high:
        return False
    first, last = (_pixel(step, width, low, high) for step in (block.step_low, block.step_high))
    return first == last


def _pixel(step: float, width: int, low: float, high: float) -> int:
    # halves, because the whole range of floats is no float
    return min(int((step / 2 - low / 2) / (high / 2 - low / 2) * width), width - 1) if high / 2 > low / 2 else 0


def _pixels(steps: Reals, width: int, low: float, high: float) -> NDArray[np.int64]:
    import numpy as np

    if not high / 2 > low / 2:
        return np.zeros(len(steps), dtype=np.int64)
    return np.minimum(((steps / 2 - low / 2) / (high / 2 - low / 2) * width).astype(np.int64), width - 1)
