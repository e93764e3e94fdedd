"""Exact chi-square, F and mixtures of them are the oracles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from clew.core.errors import Invalid
from clew.stats.quadratic import weighted_chi_square_critical, weighted_chi_square_sf

TAILS = [0.9, 0.5, 0.1, 1e-2, 1e-4, 1e-6, 1e-10]


@pytest.mark.parametrize("d", [1, 2, 5, 11, 30])
def test_equal_weights_are_chi_square(d: int) -> None:
    for p in TAILS:
        assert weighted_chi_square_sf(3 * stats.chi2.isf(p, d), [3.0] * d) == pytest.approx(p, rel=1e-9)


@pytest.mark.parametrize(("d", "nu"), [(1, 5), (1, 29), (3, 10), (11, 29), (11, 300)])
def test_an_estimated_scale_is_f(d: int, nu: float) -> None:
    for p in TAILS:
        x = d * stats.f.isf(p, d, nu)
        assert weighted_chi_square_sf(x, [1.0] * d, denominator_df=nu) == pytest.approx(p, rel=0.16 if d == 1 else 0.06)


def exact_five_and_three_ones(x: float) -> float:
    """P(5 Z² + chi-square with 3 degrees > x), by integration over the second."""
    grid = np.linspace(0.0, 200.0, 200_001)
    mass = np.diff(stats.chi2.cdf(grid, 3))
    middle = 0.5 * (grid[1:] + grid[:-1])
    return float(mass @ stats.chi2.sf(np.maximum(x - middle, 0.0) / 5.0, 1))


@pytest.mark.parametrize("x", [2.0, 8.0, 20.0, 50.0, 100.0, 150.0])
def test_unequal_weights_keep_their_relative_accuracy_far_out(x: float) -> None:
    exact = exact_five_and_three_ones(x)
    assert weighted_chi_square_sf(x, [5.0, 1.0, 1.0, 1.0]) == pytest.approx(exact, rel=0.12)


def test_a_two_moment_fit_would_be_wrong_by_orders_of_magnitude() -> None:
    weights = np.array([5.0, 1.0, 1.0, 1.0])
    scale, df = (weights**2).sum() / weights.sum(), weights.sum() ** 2 / (weights**2).sum()
    satterthwaite = stats.chi2.sf(150.0 / scale, df)
    assert satterthwaite < 0.05 * exact_five_and_three_ones(150.0)


@pytest.mark.parametrize("nu", [math.inf, 20.0])
def test_the_tail_falls_without_steps(nu: float) -> None:
    grid = np.linspace(0.01, 60, 2000)
    tail = np.array([weighted_chi_square_sf(x, [5.0, 1, 1, 1, 0.5, 0.5], denominator_df=nu) for x in grid])
    assert (np.diff(tail) < 0).all()
    assert (tail > 0).all()
    assert (tail <= 1).all()


@pytest.mark.parametrize("nu", [math.inf, 15.0])
@pytest.mark.parametrize("p", [0.5, 0.05, 1e-6, 1e-12])
def test_critical_inverts_the_tail(p: float, nu: float) -> None:
    x = weighted_chi_square_critical(p, [4.0, 1.0, 0.2], denominator_df=nu)
    assert weighted_chi_square_sf(x, [4.0, 1.0, 0.2], denominator_df=nu) == pytest.approx(p, rel=1e-6)


def test_limits_and_nonsense() -> None:
    assert weighted_chi_square_sf(0.0, [1.0, 2.0]) == 1.0
    assert weighted_chi_square_sf(math.inf, [1.0, 2.0]) == 0.0
    for weights, x, nu in (([], 1.0, 1.0), ([0.0], 1.0, 1.0), ([1.0], math.nan, 1.0), ([1.0], 1.0, 0.0)):
        with pytest.raises(Invalid):
            weighted_chi_square_sf(x, weights, denominator_df=nu)
    with pytest.raises(Invalid):
        weighted_chi_square_critical(0.0, [1.0])
