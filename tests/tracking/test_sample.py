"""Samples say what the points of each pixel say, however they were cut into blocks."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.errors import Invalid
from clew.core.types.series import Sample, SeriesBlock
from clew.tracking.sample import sample
from clew.tracking.series import Points, block_of

Point = tuple[float, int, float]
VALUES = st.sampled_from([0.0, 1.0, -2.5, 7.25, math.nan, math.inf, -math.inf])
STEPS = st.one_of(st.integers(-5, 30).map(float), st.sampled_from([0.5, 1e6, -1e300, 1e300, 1.7e308, -1.7e308]))
POINTS = st.lists(st.tuples(STEPS, st.integers(0, 3), VALUES), min_size=1, max_size=40)


def blocks_of(points: list[Point], cuts: list[int]) -> list[SeriesBlock]:
    edges = sorted({0, len(points), *(cut % len(points) for cut in cuts)})
    found = []
    for start, stop in pairwise(edges):
        steps, times, values = zip(*points[start:stop], strict=True)
        columns = Points(np.array(steps), np.array(times, dtype=np.int64), np.array(values))
        found.append(block_of("r", "k", f"j:{start}-{stop - 1}", columns))
    return found


def by_hand(points: list[Point], width: int, low: float, high: float) -> list[tuple[float, ...]]:
    pixels: dict[int, list[tuple[float, int, int, float]]] = {}
    for arrival, (step, time, value) in enumerate(points):
        if low <= step <= high:
            part = (step / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0
            pixels.setdefault(min(int(part * width), width - 1), []).append((step, time, arrival, value))
    found = []
    for at in sorted(pixels):
        values = [each[3] for each in pixels[at] if not math.isnan(each[3])] or [math.nan]
        last = max(pixels[at])
        found.append((last[0], min(values), max(values), last[3]))
    return found


def rows(one: Sample) -> list[tuple[float, ...]]:
    return list(zip(one.steps, one.lows, one.highs, one.lasts, strict=True))


@settings(max_examples=200, deadline=None)
@given(POINTS, st.lists(st.integers(0, 50), max_size=6), st.integers(1, 12), st.booleans())
def test_pixels_hold_lowest_highest_and_last(points: list[Point], cuts: list[int], width: int, part: bool) -> None:
    blocks = blocks_of(points, cuts)
    low, high = (2.0, 9.0) if part else (min(p[0] for p in points), max(p[0] for p in points))
    given_range = {"low": low, "high": high} if part else {}
    (found,) = sample({"r": blocks}, "k", width=width, **given_range)
    expected = by_hand(points, width, low, high)
    assert repr(rows(found)) == repr(expected)
    inside = sum(low <= point[0] <= high for point in points)
    assert (found.count, found.exact) == (inside, len(expected) == inside)


def test_blocks_within_a_pixel_are_not_read() -> None:
    points = [(float(step), step, float(step % 7)) for step in range(1000)]
    blocks = blocks_of(points, list(range(0, 1000, 10)))
    unread = [SeriesBlock(**{**_fields(block), "points": b"no block"}) for block in blocks]
    (found,) = sample({"r": unread}, "k", width=10, low=0, high=999.99)
    assert repr(rows(found)) == repr(by_hand(points, 10, 0, 999.99))


def _fields(block: SeriesBlock) -> dict[str, object]:
    return {name: getattr(block, name) for name in block.__struct_fields__}


def test_what_is_no_chart_is_refused() -> None:
    blocks = {"r": blocks_of([(0.0, 0, 0.0)], [])}
    for options in ({"width": 0}, {"width": 10_001}, {"width": 5, "low": math.nan}, {"width": 5, "high": math.inf}):
        with pytest.raises(Invalid):
            sample(blocks, "k", **options)  # type: ignore[arg-type]
    assert sample({}, "k", width=5) == []
    assert sample({"r": []}, "k", width=5) == []
    (none,) = sample(blocks, "k", width=5, low=3, high=9)
    assert (none.count, none.steps) == (0, [])
