"""A series as a few numbers, for a picture of it. Not for charts that zoom: those read blocks."""

from __future__ import annotations

from collections.abc import Sequence

from clew.core.types.series import SeriesBlock
from clew.tracking.series import join, points_of

__all__ = ["curve_of", "steps_of"]

_MOST_POINTS = 200_000


def steps_of(blocks: Sequence[SeriesBlock]) -> tuple[float, float]:
    """The least and the greatest step of a series that has points."""
    return min(float(block.step_low) for block in blocks), max(float(block.step_high) for block in blocks)


def curve_of(blocks: Sequence[SeriesBlock], width: int) -> list[float | None]:
    """Means of the values over `width` equal parts of the steps; None where there is no finite value.

    A series of very many points is drawn from the means of its blocks.

    Raises:
        Corrupt: a block cannot be read.
    """
    import numpy as np

    if not blocks:
        return []
    if sum(block.count for block in blocks) > _MOST_POINTS:
        steps = np.array([(block.step_low + block.step_high) / 2 for block in blocks])
        values = np.array([block.total / max(block.count - block.nans, 1) for block in blocks])
    else:
        points = join(points_of(block) for block in blocks)
        steps, values = points.steps.astype(np.float64), points.values
    low, span = steps.min(), steps.max() - steps.min()
    parts = min(width, len(np.unique(steps)))
    finite = np.isfinite(values)
    at = np.minimum(((steps[finite] - low) / (span or 1.0) * parts).astype(np.int64), parts - 1)
    counts = np.bincount(at, minlength=parts)
    sums = np.bincount(at, weights=values[finite], minlength=parts)
    return [float(total / count) if count else None for total, count in zip(sums, counts, strict=True)]
