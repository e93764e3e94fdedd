"""A curve has the shape of its series."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clew.tracking.curve import curve_of
from clew.tracking.series import Points, block_of


def block(steps: list[float], values: list[float]):
    times = np.arange(len(steps), dtype=np.int64)
    return block_of("r", "k", str(steps[0]), Points(np.array(steps), times, np.array(values, dtype=np.float64)))


def test_values_fall_into_equal_parts_of_the_steps() -> None:
    assert curve_of([block([0, 1, 2, 3], [1, 3, 5, 7])], 2) == [2.0, 6.0]
    assert curve_of([block([3, 2], [7, 5]), block([1, 0], [3, 1])], 2) == [2.0, 6.0]


def test_gaps_and_what_is_not_finite_are_none() -> None:
    assert curve_of([block([0, 1, 100], [1, math.nan, 3])], 10) == [1.0, None, 3.0]


def test_short_and_empty_series() -> None:
    assert curve_of([], 5) == []
    assert curve_of([block([7], [2.0])], 5) == [2.0]


def test_long_series_are_drawn_from_their_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [block([i, i + 1], [i, math.nan]) for i in range(0, 20, 2)]
    monkeypatch.setattr("clew.tracking.curve._MOST_POINTS", 5)
    assert curve_of(blocks, 5) == [1.0, 5.0, 9.0, 13.0, 17.0]
