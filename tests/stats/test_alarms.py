"""The contract: 50 columns looked at daily for 100 days at 1,000 rows a day, with and without drift.

Counts are Poisson draws, so that a hundred days of a column take a third of a millisecond. The statistic of all windows
of a column is computed at once, and p-values only of those that could matter. `tests/monitoring/test_drift.py` goes the
whole way, from rows to alarms, with fewer repetitions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from clew.core.errors import Invalid
from clew.stats.alarms import SCALES, Look, alpha_of_look, drift_at_scales, judge_look
from clew.stats.drift.design import Design, design_effect
from clew.stats.drift.homogeneity import likelihood_ratio, null_of
from clew.stats.drift.pool import pool, pooled
from clew.stats.quadratic import weighted_chi_square_sf

CUTS = stats.norm.ppf(np.linspace(0, 1, 31)[1:-1])
CATEGORIES = np.array([0.4, 0.3, 0.15, 0.08, 0.04, 0.02, 0.008, 0.002, 0.0, 0.0])
ROWS = 1000


def numbers(shift: float = 0.0, nulls: float = 0.0) -> np.ndarray:
    shares = np.diff(np.concatenate([[0.0], stats.norm.cdf(CUTS - shift), [1.0]]))
    return np.concatenate([[0.0], shares * (1.0 - nulls), [0.0, nulls]])


def draw(
    rng: np.random.Generator, shares: np.ndarray, days: int, moving: float = 0.0, shift: float = 0.0
) -> np.ndarray:
    """Histograms of days of about 1,000 rows; `moving` is by how much the mean of a number moves from day to day."""
    if not moving:
        return rng.poisson(ROWS * shares, (days, len(shares))).astype(float)
    edges = CUTS - (shift + rng.normal(0.0, moving, days))[:, None]
    upto = np.concatenate([np.zeros((days, 1)), stats.norm.cdf(edges), np.ones((days, 1))], axis=1)
    inside = rng.poisson(ROWS * np.diff(upto, axis=1)).astype(float)
    return np.concatenate([np.zeros((days, 1)), inside, np.zeros((days, 2))], axis=1)


class Column:
    """One column: a reference of 30 days, and the windows of all scales that end on each day."""

    def __init__(self, reference_days: np.ndarray, days: np.ndarray, ordered: bool) -> None:
        self.reference, self.days, self.ordered = reference_days.sum(axis=0), days, ordered
        self.design: Design = design_effect(reference_days, ordered=ordered)

    def p_values(self, least: float) -> np.ndarray:
        """Shape (days, scales); 1 where no window ends or the p-value is above `least`."""
        upto = np.concatenate([np.zeros((1, self.days.shape[1])), np.cumsum(self.days, axis=0)])
        found = np.ones((len(self.days), len(SCALES)))
        m = self.reference.sum()
        for k, span in enumerate(SCALES):
            if span > len(self.days):
                break
            windows = upto[span:] - upto[:-span]
            rows = windows.sum(axis=1)
            groups = pool(self.reference, min(m, rows.min()), ordered=self.ordered)
            g, directions = likelihood_ratio(pooled(self.reference, groups), pooled(windows, groups))
            for i in np.argsort(-g):
                null = null_of(int(directions[i]), m, rows[i], design=self.design, window_units=span)
                found[i + span - 1, k] = weighted_chi_square_sf(
                    float(g[i]), null.weights, denominator_df=null.denominator_df
                )
                if found[i + span - 1, k] > least:
                    break
        return found


def first_alarm(columns: list[Column], *, quiet: int = 0, look_before: int = 0) -> int | None:
    """The first day with an alarm; `quiet` more columns have p-values of 1."""
    p = np.stack([column.p_values(1e-3) for column in columns])
    for day in np.flatnonzero(p.min(axis=(0, 2)) < 1e-3).tolist():
        filled = sum(span <= day + 1 for span in SCALES)
        asked = {str(i): row[:filled].tolist() for i, row in enumerate(p[:, day])}
        asked |= {f"quiet {i}": [1.0] for i in range(quiet)}
        if judge_look(asked, day + 1 + look_before).alarmed:
            return int(day) + 1
    return None


def mixed_columns(rng: np.random.Generator, days: int) -> list[Column]:
    kinds = [(numbers(), True)] * 30 + [(numbers(nulls=0.01), True)] * 10 + [(CATEGORIES, False)] * 10
    return [Column(draw(rng, shares, 30), draw(rng, shares, days), ordered) for shares, ordered in kinds]


def moving_columns(rng: np.random.Generator, days: int, moving: float) -> list[Column]:
    return [Column(*(draw(rng, numbers(), some, moving) for some in (30, days)), True) for _ in range(50)]


def share_alarmed(runs: int, make: Callable[[], list[Column]]) -> float:
    return sum(first_alarm(make()) is not None for _ in range(runs)) / runs


def test_fifty_columns_in_a_hundred_days_without_drift_are_quiet() -> None:
    """Measured with more: docs/explanation/statistics.md."""
    rng = np.random.default_rng(1)
    assert share_alarmed(20, lambda: mixed_columns(rng, 100)) <= 0.05


@pytest.mark.parametrize("moving", [0.05, 0.1])
def test_days_that_move_as_they_did_before_are_quiet_too(moving: float) -> None:
    """The mean of every column moves by so many deviations from day to day; 0.05 is hard to see in 30 days."""
    rng = np.random.default_rng(2)
    assert share_alarmed(20, lambda: moving_columns(rng, 100, moving)) <= 0.05


SWAPPED = CATEGORIES[[0, 2, 1, *range(3, 10)]]
WITH_NULLS = [np.concatenate([CATEGORIES[:-1] * (1.0 - nulls), [nulls]]) for nulls in (0.01, 0.05)]


def share_found(before: np.ndarray, after: np.ndarray, *, ordered: bool, look_before: int, runs: int) -> float:
    """In one of 50 columns, within five days."""
    rng = np.random.default_rng(3)
    columns = [Column(draw(rng, before, 30), draw(rng, after, 5), ordered) for _ in range(runs)]
    return float(np.mean([first_alarm([one], quiet=49, look_before=look_before) is not None for one in columns]))


@pytest.mark.parametrize(
    ("before", "after", "ordered"),
    [
        pytest.param(numbers(), numbers(0.2), True, id="a shift of 0.2 deviations"),
        pytest.param(numbers(), numbers(-0.2), True, id="a shift down"),
        pytest.param(CATEGORIES, SWAPPED, False, id="two categories swapped"),
        pytest.param(numbers(nulls=0.01), numbers(nulls=0.05), True, id="nulls from 1 to 5 % in numbers"),
        pytest.param(*WITH_NULLS, False, id="nulls from 1 to 5 % in categories"),
    ],
)
@pytest.mark.parametrize("look_before", [0, 200])
def test_planted_drift_is_found_within_five_days(
    before: np.ndarray, after: np.ndarray, ordered: bool, look_before: int
) -> None:
    """At the first look and after two hundred."""
    assert share_found(before, after, ordered=ordered, look_before=look_before, runs=300) >= 0.9


def found_in_moving_days(moving: float, days: int, runs: int) -> float:
    """How often a shift of 0.2 deviations is found within some days, where days move by so much."""
    rng = np.random.default_rng(5)
    columns = [
        Column(draw(rng, numbers(), 30, moving), draw(rng, numbers(), days, moving, shift=0.2), True)
        for _ in range(runs)
    ]
    return float(np.mean([first_alarm([one], quiet=49) is not None for one in columns]))


def test_a_shift_among_days_that_move_takes_longer() -> None:
    """Where days move by a tenth of the shift five days do; where they move by half of it, they do not."""
    assert found_in_moving_days(0.02, 5, 200) >= 0.9
    assert found_in_moving_days(0.1, 5, 200) <= 0.5


def test_the_columns_that_are_alarmed_are_the_ones_that_drifted() -> None:
    rng = np.random.default_rng(4)
    p_values = {}
    for i in range(20):
        column = Column(draw(rng, numbers(), 30), draw(rng, numbers(0.3 if i < 5 else 0.0), 5), True)
        tests = drift_at_scales(column.reference, list(column.days.astype(int)), ordered=True, design=column.design)
        assert list(tests) == [1, 3]
        assert tests[3].rows == column.days[-3:].sum()
        p_values[f"c{i}"] = [test.p_value for test in tests.values()]
    look = judge_look(p_values, 5)
    assert look.alarmed == ("c0", "c1", "c2", "c3", "c4")
    assert look.spent == alpha_of_look(5)


def test_spending_adds_up_to_alpha_for_ever_and_to_half_in_a_hundred() -> None:
    spent = [alpha_of_look(look, alpha=0.05) for look in range(1, 200_001)]
    assert math.fsum(spent[:100]) == pytest.approx(0.025)
    assert math.fsum(spent) < 0.05
    assert math.fsum(spent) == pytest.approx(0.05, rel=1e-3)
    assert all(a > b for a, b in itertools.pairwise(spent))


def test_days_without_rows_are_no_units() -> None:
    quiet, day = np.zeros(4, int), np.array([50, 30, 20, 0])
    tests = drift_at_scales([500, 300, 200, 0], [day, quiet, day], ordered=False, scales=(1, 2, 3))
    assert [test.rows for test in tests.values()] == [100, 100, 200]
    assert drift_at_scales([500, 300, 200, 0], [quiet], ordered=False) == {}


def test_judging_by_hand() -> None:
    look = judge_look({"a": [1e-7, 0.5], "b": [0.01]}, 1)
    assert look == Look(spent=alpha_of_look(1), adjusted={"a": 4e-7, "b": 0.01}, alarmed=("a",))
    assert judge_look({}, 1).alarmed == ()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: alpha_of_look(0),
        lambda: alpha_of_look(1, alpha=0.0),
        lambda: alpha_of_look(1, alpha=1.0),
        lambda: judge_look({"a": []}, 1),
        lambda: judge_look({"a": [1.5]}, 1),
        lambda: drift_at_scales([1, 2], [], ordered=True),
        lambda: drift_at_scales([1, 2], [np.array([1, 2, 3])], ordered=True),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()
