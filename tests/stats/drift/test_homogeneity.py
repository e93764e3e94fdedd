from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from clew.core.errors import Invalid
from clew.stats.drift.design import Design, design_effect, independent_rows
from clew.stats.drift.homogeneity import drift_test, likelihood_ratio, null_of
from clew.stats.drift.pool import pool, pooled
from clew.stats.quadratic import weighted_chi_square_sf

tables = hnp.arrays(np.int64, (2, 6), elements=st.integers(0, 500)).filter(lambda t: (t.sum(axis=1) > 0).all())


def test_g_follows_scipy() -> None:
    rng = np.random.default_rng(1)
    table = rng.integers(50, 300, (2, 6)).astype(float)
    g, directions = likelihood_ratio(*table)
    theirs = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    n, m, columns = table[0].sum(), table[1].sum(), table.sum(axis=0)
    williams = 1 + ((n + m) * (1 / n + 1 / m) - 1) * ((n + m) * (1 / columns).sum() - 1) / (6 * (n + m) * 5)
    assert directions == theirs.dof
    assert g == pytest.approx(theirs.statistic / williams, rel=1e-10)


def test_many_tables_at_once_are_each_of_them() -> None:
    rng = np.random.default_rng(2)
    reference, windows = rng.integers(0, 90, 8).astype(float), rng.integers(0, 9, (5, 8)).astype(float)
    together, directions = likelihood_ratio(reference, windows)
    for i, window in enumerate(windows):
        assert likelihood_ratio(reference, window) == (pytest.approx(together[i]), directions[i])


@given(tables, st.booleans())
def test_p_values_are_probabilities_and_equal_shares_are_no_drift(table: np.ndarray, ordered: bool) -> None:
    found = drift_test(table[0], table[1], ordered=ordered)
    assert 0.0 <= found.p_value <= 1.0
    assert 0.0 <= found.effect <= 1.0
    assert found.rows == table[1].sum()
    same = drift_test(table[0], table[0], ordered=ordered)
    assert (same.effect, same.statistic) == (pytest.approx(0.0, abs=1e-7), pytest.approx(0.0, abs=1e-6))
    assert same.p_value > 0.99


def p_values(shares: list[float], m: int, n: int, *, ordered: bool) -> np.ndarray:
    """p-values of 40,000 windows without drift, each with its own reference."""
    rng = np.random.default_rng(3)
    p = np.array(shares) / sum(shares)
    reference, window = (rng.multinomial(rows, p, 40_000).astype(float) for rows in (m, n))
    groups = pool(p * m, min(m, n), ordered=ordered)
    g, directions = likelihood_ratio(pooled(reference, groups), pooled(window, groups))
    return stats.chi2.sf(g, np.maximum(directions, 1))


@pytest.mark.parametrize(
    ("shares", "m", "n", "ordered"),
    [
        ([1.0] * 30 + [0, 0], 50_000, 1000, True),
        ([1.0] * 30 + [0, 0.3], 50_000, 1000, True),
        ([1.0] * 30 + [0, 0.3], 1000, 1000, True),
        ([1.0] * 30 + [0, 0.3], 50_000, 30, True),
        ([0.99, 0.01, 0, 0], 50_000, 1000, False),
        ([0.5, 0.3, 0.1, 0.05, 0.03, 0.01, 0.005, 0.003, 0.002, 0, 0], 50_000, 1000, False),
        ([1.0] * 12 + [0, 0], 300, 100_000, False),
    ],
)
def test_without_drift_p_values_are_uniform_far_into_the_tail(
    shares: list[float], m: int, n: int, ordered: bool
) -> None:
    p = p_values(shares, m, n, ordered=ordered)
    assert 0.7 <= (p <= 0.1).mean() / 0.1 <= 1.15
    assert (p <= 0.01).mean() / 0.01 <= 1.25
    assert (p <= 0.001).mean() / 0.001 <= 1.5


def test_days_that_move_are_no_drift_with_their_design_and_are_without(moving_days) -> None:
    """40 days whose mean moves by 0.1 deviations; windows of one day and of seven."""
    rng = np.random.default_rng(4)
    for span in (1, 7):
        with_design, without = [], []
        for _ in range(12):
            days = moving_days(rng, 40, 1000, 0.1)
            reference, design = days.sum(axis=0), design_effect(days, ordered=True)
            windows = moving_days(rng, 60 * span, 1000, 0.1).reshape(60, span, -1).sum(axis=1)
            for window in windows:
                with_design.append(
                    drift_test(reference, window, ordered=True, design=design, window_units=span).p_value
                )
                without.append(drift_test(reference, window, ordered=True).p_value)
        assert 0.05 <= np.mean(np.array(with_design) <= 0.1) <= 0.14
        assert np.mean(np.array(with_design) <= 0.01) <= 0.02
        assert np.mean(np.array(without) <= 0.01) >= 0.15


def test_a_first_order_correction_would_not_do() -> None:
    design = Design(units=1000, rows_per_unit=1000.0, correlations=(0.05, *[0.0] * 9))
    null = null_of(10, 1e6, 1e3, design=design)
    average = sum(null.weights) / 10
    assert stats.chi2.sf(300.0 / average, 10) < 0.01 * weighted_chi_square_sf(300.0, null.weights)


def test_the_null_knows_how_well_its_weights_are_known() -> None:
    some = null_of(1, 1000.0, 100.0, design=Design(units=11, rows_per_unit=91.0, correlations=(0.05,)), window_units=10)
    [weight] = some.weights
    assert 1.0 < weight < 2.0
    assert some.denominator_df == pytest.approx(10 * weight / (weight - 1.0))
    alone = null_of(
        1, 1000.0, 100.0, design=Design(units=1000, rows_per_unit=1.0, correlations=(0.5,)), window_units=100
    )
    assert alone == ((1.0,), math.inf), "each row is a unit"


def test_g_takes_both_sides_alike() -> None:
    for one, two in (([1.0, 99.0, 3.0], [40.0, 50.0, 1.0]), ([0.0, 5.0], [1.0, 5.0])):
        here, there = likelihood_ratio(np.array(one), np.array(two)), likelihood_ratio(np.array(two), np.array(one))
        assert here == pytest.approx(there)
        assert here[0] > 0.0


def test_a_bin_of_just_enough_rows_takes_part_in_the_correction() -> None:
    reference, window = np.array([2.0, 98.0]), np.array([8.0, 92.0])  # 5 expected rows on each side
    plain = stats.chi2_contingency([reference, window], correction=False, lambda_="log-likelihood").statistic
    excess = (200 / 10 + 200 / 190 - 1.0) * 3.0
    assert likelihood_ratio(reference, window)[0] == pytest.approx(plain / (1.0 + excess / (6.0 * 200)))


def test_the_null_knows_spans_and_reference() -> None:
    design = Design(units=50, rows_per_unit=1000.0, correlations=(0.01, 0.0))
    assert null_of(2, 5e4, 1e3).weights == (1.0, 1.0)
    assert null_of(2, 5e4, 1e3, design=independent_rows()).denominator_df == math.inf
    day, week = (null_of(2, 5e4, 1e3 * d, design=design, window_units=d) for d in (1, 7))
    assert day.weights[0] == pytest.approx(1 + 0.01 * (1 - 1 / 1000 + 1 / 50 - 1 / 5e4) / (1 / 1000 + 1 / 5e4))
    assert week.weights[0] == pytest.approx(day.weights[0], rel=1e-6)
    assert day.weights[1] == 1.0
    assert 49 < day.denominator_df < 60
    assert null_of(4, 5e4, 1e3, design=design).weights[2:] == (1.0, 1.0)


@pytest.mark.parametrize(
    ("label", "reference", "window", "ordered"),
    [
        ("a novel category", [5000, 4000, 1000, 0, 0], [480, 400, 100, 20, 0], False),
        ("a flood of nulls", [0, 5000, 5000, 0, 20], [0, 490, 490, 0, 20], True),
        ("values outside", [0, 5000, 5000, 0, 0], [8, 490, 490, 12, 0], True),
        ("a lost category", [5000, 4000, 1000, 0, 0], [530, 470, 0, 0, 0], False),
    ],
)
def test_what_was_never_seen_is_found(label: str, reference: list[int], window: list[int], ordered: bool) -> None:
    assert drift_test(reference, window, ordered=ordered).p_value < 1e-8, label


def test_a_little_novelty_is_not_an_alarm() -> None:
    assert drift_test([5000, 4000, 1000, 0, 0], [500, 400, 99, 1, 0], ordered=False).p_value > 1e-3


def test_an_empty_table_of_one_bin_is_no_drift() -> None:
    assert drift_test([0, 0, 50], [0, 0, 9], ordered=True).p_value == 1.0


@pytest.mark.parametrize(
    "ask",
    [
        lambda: drift_test([1, 2], [1, 2, 3], ordered=True),
        lambda: drift_test([0, 0], [1, 2], ordered=True),
        lambda: drift_test([1, 2], [0, 0], ordered=True),
        lambda: drift_test([1, 2], [1, 2], ordered=True, window_units=0),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()
