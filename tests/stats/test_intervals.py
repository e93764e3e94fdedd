from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clew.core.errors import Invalid
from clew.stats.intervals import (
    Interval,
    cluster_bootstrap,
    mean_by_unit,
    paired_by_unit,
    percentile_interval,
    sum_by_unit,
    unit_codes,
    wilson,
)


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (3, 10), (999, 100_000), (1, 1)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_wilson_follows_scipy(k: int, n: int, level: float) -> None:
    ours = wilson(k, n, level=level)
    theirs = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert (ours.value, ours.units, ours.level) == (k / n, n, level)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_stays_inside_and_mirrors(counts: tuple[int, int]) -> None:
    k, n = counts
    ours, mirror = wilson(k, n), wilson(n - k, n)
    assert 0.0 <= ours.low <= ours.value <= ours.high <= 1.0
    assert ours.low == pytest.approx(1.0 - mirror.high, abs=1e-12)


def test_units_of_one_size_give_students_interval() -> None:
    rng = np.random.default_rng(1)
    means = rng.normal(2.0, 1.0, 12)
    ours = mean_by_unit(means * 50, np.full(12, 50))
    theirs = stats.ttest_1samp(means, 0.0).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-12)
    assert ours.units == 12
    assert ours.value == pytest.approx(means.mean())


def test_rows_as_units_give_students_interval_too() -> None:
    values = np.array([1.0, 4.0, 2.0, 8.0])
    theirs = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    ours = mean_by_unit(*sum_by_unit(values, np.arange(4)), level=0.9)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


REPETITIONS = 2000
WITHIN = 3 * math.sqrt(0.95 * 0.05 / REPETITIONS)
"""Three standard errors of a share of 95 % over so many repetitions."""


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("trials", [50, 1000])
def test_wilson_covers(share: float, trials: int) -> None:
    """Exactly, by the binomial distribution: on average over nearby shares, since a single one hops up and down."""
    nearby = share * np.linspace(0.8, 1.2, 41)
    counts = np.arange(trials + 1)
    limits = [wilson(int(k), trials) for k in counts]
    low, high = np.array([limit.low for limit in limits]), np.array([limit.high for limit in limits])
    covers = (low <= nearby[:, None]) & (nearby[:, None] <= high)
    held = (stats.binom.pmf(counts, trials, nearby[:, None]) * covers).sum(axis=1)
    assert held.mean() == pytest.approx(0.95, abs=0.012)


def test_rows_are_covered() -> None:
    """Costs as skewed as those of decisions: nothing in most rows, 10 or 50 in some; 300 rows."""
    rng = np.random.default_rng(1)
    costs = rng.choice([0.0, 10.0, 50.0], (REPETITIONS, 300), p=[0.7, 0.2, 0.1])
    held = sum(mean_by_unit(row, np.ones(300)).holds(7.0) for row in costs)
    assert held / REPETITIONS == pytest.approx(0.95, abs=WITHIN)


@pytest.mark.parametrize("units", [15, 60])
def test_correlated_units_of_unequal_size_are_covered(units: int) -> None:
    """Rows alone would claim 95 % and hold less than half; uneven days hold what they say, or a little more."""
    rng = np.random.default_rng(2)
    sizes = rng.integers(20, 200, (REPETITIONS, units))
    sums = sizes * rng.normal(0.0, 0.5, sizes.shape) + rng.normal(0.0, np.sqrt(sizes))
    held = sum(mean_by_unit(*each).holds(0.0) for each in zip(sums, sizes, strict=True))
    assert 0.95 - WITHIN <= held / REPETITIONS <= 0.97 + WITHIN
    by_rows = np.abs(sums.sum(axis=1) / sizes.sum(axis=1)) < 1.96 * np.sqrt(1.25 / sizes.sum(axis=1))
    assert by_rows.mean() < 0.5


def test_customers_of_very_unequal_size_are_covered() -> None:
    """Most have a handful of rows, a few have hundreds (geometric, squared)."""
    rng = np.random.default_rng(3)
    sizes = rng.geometric(0.2, (REPETITIONS, 100)) ** 2
    sums = sizes * rng.normal(0.0, 0.5, sizes.shape) + rng.normal(0.0, np.sqrt(sizes))
    held = sum(mean_by_unit(*each).holds(0.0) for each in zip(sums, sizes, strict=True))
    assert held / REPETITIONS == pytest.approx(0.95, abs=0.01 + WITHIN)


def test_paired_days_are_covered() -> None:
    """Two models on the same 30 days, whose luck they share."""
    rng = np.random.default_rng(4)
    sizes = rng.integers(20, 200, (REPETITIONS, 30))
    luck = rng.normal(0.0, 2.0, sizes.shape)
    ours, theirs = (sizes * (luck + rng.normal(mean, 0.5, sizes.shape)) for mean in (1.0, 0.7))
    each = zip(ours, theirs, sizes, strict=True)
    held = sum(paired_by_unit((a, n), (b, n)).holds(0.3) for a, b, n in each)
    assert held / REPETITIONS == pytest.approx(0.95, abs=0.01 + WITHIN)


def test_pairing_equals_the_mean_of_row_differences() -> None:
    rng = np.random.default_rng(3)
    units = rng.integers(0, 9, 400)
    first, second = rng.normal(size=400), rng.normal(size=400)
    paired = paired_by_unit(sum_by_unit(first, units), sum_by_unit(second, units))
    direct = mean_by_unit(*sum_by_unit(first - second, units))
    assert (paired.value, paired.low, paired.high) == pytest.approx((direct.value, direct.low, direct.high), abs=1e-12)


def test_pairing_removes_what_the_unit_does_to_both() -> None:
    rng = np.random.default_rng(4)
    day, sizes = rng.normal(0.0, 10.0, 20) * 100, np.full(20, 100.0)
    first = (day + rng.normal(1.0, 1.0, 20) * 100, sizes)
    paired = paired_by_unit(first, (day, sizes))
    assert paired.width < 0.3 * mean_by_unit(*first).width
    assert paired.holds(1.0)


def test_units_may_lack_rows_on_a_side() -> None:
    first = ([1.0, 2.0, 4.0, 0.0], [1, 1, 2, 0])
    second = ([0.0, 1.0, 1.0, 3.0], [0, 1, 1, 1])
    paired = paired_by_unit(first, second)
    assert paired.value == pytest.approx(7 / 4 - 5 / 3)
    assert paired.units == 4
    assert mean_by_unit(*first).units == 3


@given(st.permutations(list(range(8))))
def test_the_order_of_units_does_not_matter(order: list[int]) -> None:
    sums, counts = np.array([3.0, 1, 4, 1, 5, 9, 2, 6]), np.array([2.0, 7, 1, 8, 2, 8, 1, 8])
    ours, shuffled = mean_by_unit(sums, counts), mean_by_unit(sums[order], counts[order])
    assert (ours.low, ours.high) == pytest.approx((shuffled.low, shuffled.high), rel=1e-12)


def test_the_bootstrap_agrees_with_the_formula_and_repeats_itself() -> None:
    rng = np.random.default_rng(5)
    units = np.repeat(np.arange(25), 20)
    values = rng.normal(size=25)[units] + rng.normal(size=500)

    def boot() -> Interval:
        return cluster_bootstrap(lambda rows: float(values[rows].mean()), units, rng=np.random.default_rng(0))

    formula, ours = mean_by_unit(*sum_by_unit(values, units)), boot()
    assert ours == boot()
    assert (ours.low, ours.high) == pytest.approx((formula.low, formula.high), abs=0.12 * formula.width)
    assert (ours.units, ours.value) == (25, pytest.approx(values.mean()))


def test_a_hundred_draws_are_enough() -> None:
    asked = {"rng": np.random.default_rng(0), "replicates": 100}
    assert cluster_bootstrap(lambda rows: float(len(rows)), [1, 2], **asked).units == 2
    with pytest.raises(Invalid):
        cluster_bootstrap(lambda rows: 1.0, [1, 2], **{**asked, "replicates": 99})


def test_wilson_of_nothing_or_everything_touches_the_end() -> None:
    assert (wilson(0, 10).low, wilson(10, 10).high) == (0.0, 1.0)
    assert wilson(0, 10).high == pytest.approx(0.2775, abs=1e-4)
    for successes, trials in ((-1, 5), (1, math.inf), (math.nan, 5)):
        with pytest.raises(Invalid):
            wilson(successes, trials)


def test_undefined_draws_are_refused_when_there_are_many() -> None:
    draws = np.array([1.0] * 96 + [math.nan] * 4)
    assert percentile_interval(1.0, draws, units=5, level=0.95, method="m").low == 1.0
    with pytest.raises(Invalid, match="10 of 100 draws"):
        percentile_interval(1.0, np.array([1.0] * 90 + [math.nan] * 10), units=5, level=0.95, method="m")


def test_unit_names_are_numbered_in_order() -> None:
    codes, size = unit_codes(["b", "a", "b"])
    assert (codes.tolist(), size) == ([1, 0, 1], 2)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: wilson(3, 2),
        lambda: wilson(0, 0),
        lambda: wilson(1, 2, level=95),
        lambda: mean_by_unit([1.0], [5]),
        lambda: mean_by_unit([1.0, 2.0], [5, 0]),
        lambda: mean_by_unit([1.0, 2.0], [5, -1]),
        lambda: mean_by_unit([1.0, math.nan], [5, 1]),
        lambda: mean_by_unit([1.0, 2.0], [5, 5, 5]),
        lambda: paired_by_unit(([1.0, 2.0], [1, 1]), ([1.0], [1])),
        lambda: sum_by_unit([1.0], ["a", "b"]),
        lambda: sum_by_unit([], []),
        lambda: unit_codes([[1, 2]]),
        lambda: cluster_bootstrap(lambda rows: 1.0, [1, 1], rng=np.random.default_rng(0)),
        lambda: cluster_bootstrap(lambda rows: 1.0, [1, 2], rng=np.random.default_rng(0), replicates=5),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()


def test_degrees_of_freedom_are_satterthwaites() -> None:
    sizes, sums = np.array([5.0, 20.0, 100.0, 40.0, 3.0, 60.0]), np.array([2.0, 31.0, 80.0, 55.0, 1.0, 70.0])
    w = sizes / sizes.sum()
    pull = np.diag(w) - np.outer(w, w)
    form = pull.T @ np.diag(1.0 / (1.0 - w)) @ pull
    df = np.trace(form) ** 2 / np.trace(form @ form)
    residuals = sums - sums.sum() * w
    sd = math.sqrt((residuals**2 / (1.0 - w)).sum()) / sizes.sum()
    assert df < 4.0
    assert mean_by_unit(sums, sizes).width == pytest.approx(2 * stats.t.isf(0.025, df) * sd, rel=1e-10)


def test_few_units_widen_the_percentiles() -> None:
    """Hesterberg's tail for 5 units is 0.0009 and not 0.025."""
    draws = np.linspace(0.0, 1.0, 10_001)
    tail = stats.norm.cdf(-math.sqrt(5 / 4) * stats.t.isf(0.025, 4))
    few = percentile_interval(0.5, draws, units=5, level=0.95, method="m")
    assert (few.low, few.high) == pytest.approx((tail, 1.0 - tail), abs=1e-9)
    many = percentile_interval(0.5, draws, units=10_000, level=0.95, method="m")
    assert (many.low, many.high) == pytest.approx((0.025, 0.975), abs=1e-4)
