"""What every statistic refuses, and what it takes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from clew.core.errors import Invalid
from clew.stats.arrays import codes_of, counts_of, floats_of, labels_of, level_of, same_length


def test_numbers_of_any_kind_are_floats() -> None:
    for given in ([1, 2], (1.0, 2.0), np.array([1, 2], np.int8), [True, 2]):
        assert floats_of("values", given).tolist() == [1.0, 2.0]
    assert floats_of("values", []).shape == (0,)
    assert floats_of("values", [[1], [2]], ndim=2).shape == (2, 1)
    assert floats_of("values", [math.inf, -math.inf], infinite=True).tolist() == [math.inf, -math.inf]


def test_counts_may_be_nothing_but_not_less() -> None:
    assert counts_of("counts", [0, 3]).tolist() == [0.0, 3.0]
    assert counts_of("counts", []).shape == (0,)


def test_labels_are_truths() -> None:
    assert labels_of("labels", [0, 1, 1.0]).tolist() == [False, True, True]
    flags = np.array([True, False])
    assert labels_of("labels", flags) is flags


def test_codes_are_classes() -> None:
    assert codes_of("codes", [0, 2, 1], size=3).tolist() == [0, 2, 1]
    assert codes_of("codes", np.array([True, False]), size=2).tolist() == [1, 0]
    assert codes_of("codes", np.array([], np.int64), size=0).tolist() == []


def test_lengths_are_one() -> None:
    assert same_length(a=np.zeros(3), b=np.ones(3)) == 3


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (lambda: floats_of("values", ["a"]), "values are no numbers"),
        (lambda: floats_of("values", [[1], [1, 2]]), "values are no numbers"),
        (lambda: floats_of("values", [[1.0]]), r"values have shape \(1, 1\), not 1 axes"),
        (lambda: floats_of("values", 1.0), "not 1 axes"),
        (lambda: floats_of("values", [1.0, math.nan]), r"values hold nan at \(1,\)"),
        (lambda: floats_of("values", [1.0, math.nan], infinite=True), r"values hold nan at \(1,\)"),
        (lambda: floats_of("values", [[1.0, math.inf]], ndim=2), r"values hold inf at \(0, 1\)"),
        (lambda: counts_of("counts", [0, -1]), "negative count, -1"),
        (lambda: counts_of("counts", [math.inf]), "hold inf"),
        (lambda: labels_of("labels", [0, 2]), "labels hold 2"),
        (lambda: labels_of("labels", np.array([[True]])), "not 1 axes"),
        (lambda: codes_of("codes", [0.0], size=1), "whole numbers"),
        (lambda: codes_of("codes", [[0]], size=1), "one axis"),
        (lambda: codes_of("codes", [0, 3], size=3), "codes hold 0 to 3, outside of 0 to 2"),
        (lambda: codes_of("codes", [-1, 0], size=3), "outside of 0 to 2"),
        (lambda: same_length(a=np.zeros(2), b=np.zeros(3)), "not of one length: a 2, b 3"),
        (lambda: same_length(a=np.zeros(0)), "no rows in a"),
        (lambda: level_of(0.0), "not inside"),
        (lambda: level_of(1.0), "not inside"),
        (lambda: level_of(math.nan), "not inside"),
    ],
)
def test_nonsense_is_refused_by_name(ask: Callable[[], object], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        ask()
