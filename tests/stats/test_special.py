"""SciPy is the oracle, from the body to tails of 1e-300."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clew.core.errors import Invalid
from clew.stats import special

TAILS = [1e-300, 1e-100, 1e-30, 1e-10, 1e-5, 0.01, 0.04, 0.06, 0.1, 0.3, 0.49]
DFS = [0.1, 0.5, 1, 2, 3, 5, 10, 29, 59, 100, 500, 1e3, 1e4, 1e5, 1.0001e5, 1e6]


@pytest.mark.parametrize("p", [*TAILS, 0.5])
def test_normal_follows_scipy(p: float) -> None:
    z = stats.norm.isf(p)
    assert special.normal_sf(z) == pytest.approx(stats.norm.sf(z), rel=1e-11)
    assert special.normal_cdf(-z) == pytest.approx(stats.norm.cdf(-z), rel=1e-11)
    assert -special.normal_quantile(p) == pytest.approx(z, rel=1e-11, abs=1e-15)


@pytest.mark.parametrize("df", DFS)
def test_student_follows_scipy(df: float) -> None:
    for p in TAILS:
        t = stats.t.isf(p, df)
        if np.isfinite(t) and t < 1e100:
            assert special.student_t_sf(t, df) == pytest.approx(stats.t.sf(t, df), rel=2e-10)
            assert special.student_t_sf(-t, df) == pytest.approx(stats.t.sf(-t, df), rel=2e-10)
            assert -special.student_t_quantile(p, df) == pytest.approx(t, rel=2e-10)


def test_student_is_exact_where_it_is_the_cauchy_distribution() -> None:
    for t in (1e-9, 0.1, 1.0, 50.0, 1e15):
        assert special.student_t_sf(t, 1) == pytest.approx(math.atan2(1.0, t) / math.pi, rel=1e-13)


def test_student_limits() -> None:
    assert special.student_t_quantile(0.5, 3) == 0.0
    assert special.student_t_quantile(0.025, math.inf) == special.normal_quantile(0.025)
    assert special.student_t_sf(math.inf, 3) == 0.0
    assert special.student_t_sf(-math.inf, 3) == 1.0
    assert special.student_t_sf(2.0, math.inf) == special.normal_sf(2.0)


@pytest.mark.parametrize("df", DFS)
def test_chi_square_follows_scipy(df: float) -> None:
    for p in (*TAILS, 0.5, 0.9, 0.999):
        x = stats.chi2.isf(p, df)
        assert special.chi_square_sf(x, df) == pytest.approx(stats.chi2.sf(x, df), rel=1e-10)
        if x > 1e-290:
            assert special.chi_square_critical(p, df) == pytest.approx(x, rel=1e-10)


def test_chi_square_limits() -> None:
    assert special.chi_square_sf(0.0, 3) == special.chi_square_sf(-1.0, 3) == 1.0
    assert special.chi_square_sf(math.inf, 3) == 0.0
    assert special.chi_square_sf(2000.0, 2) == pytest.approx(0.0, abs=1e-300)


@given(st.floats(1e-3, 1e6), st.floats(0.01, 500), st.floats(0.01, 500))
def test_tails_fall(df: float, x: float, y: float) -> None:
    low, high = sorted((x, y))
    assert special.chi_square_sf(high, df) <= special.chi_square_sf(low, df) + 1e-14
    assert special.student_t_sf(high, df) <= special.student_t_sf(low, df) + 1e-14


@pytest.mark.parametrize(
    "ask",
    [
        lambda: special.normal_quantile(0.0),
        lambda: special.student_t_quantile(1.0, 3),
        lambda: special.student_t_quantile(0.1, 0),
        lambda: special.student_t_sf(math.nan, 3),
        lambda: special.chi_square_sf(math.nan, 3),
        lambda: special.chi_square_sf(1.0, math.inf),
        lambda: special.chi_square_critical(2.0, 3),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()
