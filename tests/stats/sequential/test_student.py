"""The sequential t-test: against the integral by SciPy, and in trials."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from clew.core.errors import Invalid
from clew.stats.sequential.student import StudentSequence, _log_evidence, critical_t

BETS = ((0.9, 1.0), (0.07, 1 / 3), (0.03, 1 / 9))


def after(xs: object, start: StudentSequence | None = None) -> StudentSequence:
    state = start or StudentSequence()
    for x in xs:
        state = state.update(float(x))
    return state


def by_scipy(n: int, r: float, aim: float) -> float:
    """The evidence from its definition."""

    def integral(a: float) -> float:
        peak = (a + math.sqrt(a * a + 4 * n)) / 2
        top = (n - 1) * math.log(peak) - peak**2 / 2 + a * peak
        whole, _ = integrate.quad(
            lambda u: math.exp((n - 1) * math.log(u) - u**2 / 2 + a * u - top) if u > 0 else 0.0,
            max(0.0, peak - 12),
            peak + 12,
            points=[peak],
            epsabs=0,
            epsrel=1e-11,
            limit=200,
        )
        return math.log(whole) + top

    logs = [math.log(w) - n * (aim * f) ** 2 / 2 + integral(aim * f * r) - integral(0.0) for w, f in BETS]
    return float(np.logaddexp.reduce(logs))


@pytest.mark.parametrize("n", [2, 3, 12, 60, 400])
@pytest.mark.parametrize("mean", [-0.5, 0.0, 0.4, 2.0])
def test_the_evidence_is_its_definition(n: int, mean: float) -> None:
    xs = np.random.default_rng(n).normal(mean, 1.0, n)
    for margin in (0.0, 0.7):
        r = float((xs - margin).sum() / math.sqrt(((xs - margin) ** 2).sum()))
        assert _log_evidence(n, r, 1 / 3) == pytest.approx(by_scipy(n, r, 1 / 3), abs=1e-8)


def test_without_likeness_and_lean_the_bounds_are_those_of_students_t() -> None:
    """Units that alternate and lie evenly around their mean."""
    xs = np.array([0.1, 1.1] * 10)
    state, reach = after(xs), critical_t(20, 0.05, 1 / 3) * stats.sem(xs)
    assert state.lower(0.05) == pytest.approx(xs.mean() - reach)
    assert state.upper(0.05) == pytest.approx(xs.mean() + reach)


def likeness(xs: np.ndarray) -> float:
    away = xs - xs.mean()
    return float(away[1:] @ away[:-1] / (away @ away))


def test_units_like_their_neighbours_widen_both_sides() -> None:
    """By their correlation and its bias, as numpy sees them; each side then by SciPy's skewness towards it."""
    rng = np.random.default_rng(3)
    xs = np.convolve(rng.gamma(0.5, 1.0, 41), [1.0, 0.6])[1:-1]
    n, state, t = len(xs), after(xs), critical_t(40, 0.05, 1 / 3)
    alike = likeness(xs) + (1 + 3 * likeness(xs)) / n
    lean = stats.skew(xs, bias=False) / (6 * math.sqrt(n))
    assert min(alike, lean) > 0.03
    error = stats.sem(xs) * math.sqrt((1 + alike) / (1 - alike))
    assert state.lower(0.05) == pytest.approx(xs.mean() - (t - 0.5 * lean * (1 + 2 * t * t)) * error)
    assert state.upper(0.05) == pytest.approx(xs.mean() + (t + lean * (1 + 2 * t * t)) * error)
    mirrored = after(-xs)
    assert mirrored.lower(0.05) == pytest.approx(-state.upper(0.05))


def test_a_helpful_lean_brings_a_bound_to_half_its_distance_at_most() -> None:
    xs = np.array([1.0, 1.2, 0.8] * 6 + [9.0, 1.0])
    state, t = after(xs), critical_t(20, 0.05, 1 / 3)
    assert likeness(xs) + 0.05 < 0.0
    assert state.lower(0.05) == pytest.approx(xs.mean() - 0.5 * t * stats.sem(xs))


def test_likeness_is_capped() -> None:
    """A trend: every unit is like its neighbour, and the error is three times as great, not infinite."""
    xs = np.arange(40.0)
    assert likeness(xs) > 0.8
    state, t = after(xs), critical_t(40, 0.05, 1 / 3)
    assert state.lower(0.05) == pytest.approx(xs.mean() - t * 3.0 * stats.sem(xs))


def test_what_was_stored_before_there_were_leans_still_counts() -> None:
    """Fields that an older state lacks read as no lean."""
    state = msgspec.convert({"type": "student", "units": 30, "mean": 0.5, "squares": 20.0}, StudentSequence)
    assert state.lower(0.05) > 0.0
    assert math.isfinite(state.update(0.4).lower(0.05))


@pytest.mark.parametrize("aim", [0.1, 1 / 3, 2.0])
@pytest.mark.parametrize("alpha", [0.001, 0.025, 0.5])
@pytest.mark.parametrize("n", [30, 200])
def test_the_critical_t_is_where_the_evidence_is_enough(n: int, alpha: float, aim: float) -> None:
    t = critical_t(n, alpha, aim)
    if math.isfinite(t):
        r = t * math.sqrt(n / (n - 1 + t * t))
        assert _log_evidence(n, r, aim) == pytest.approx(-math.log(alpha), abs=1e-9)
        assert _log_evidence(n, 0.99 * r, aim) < -math.log(alpha)


@given(st.floats(-5, 5), st.floats(0.01, 100))
def test_units_of_money_do_not_matter(move: float, scale: float) -> None:
    xs = np.random.default_rng(1).normal(0.5, 1.0, 25)
    ours, other = StudentSequence(), StudentSequence()
    for x in xs:
        ours, other = ours.update(float(x)), other.update(float(move + scale * x))
    assert other.lower(0.05) == pytest.approx(move + scale * ours.lower(0.05), rel=1e-6, abs=1e-6)
    assert other.upper(0.05) == pytest.approx(move + scale * ours.upper(0.05), rel=1e-6, abs=1e-6)


def test_too_few_units_never_decide() -> None:
    """However clear they look: not before unit 11 at 5 %, not before unit 13 at 2.5 %."""
    assert math.isinf(critical_t(10, 0.05, 1 / 3))
    assert critical_t(11, 0.05, 1 / 3) < 10.0
    assert math.isinf(critical_t(12, 0.025, 1 / 3))
    assert math.isfinite(critical_t(13, 0.025, 1 / 3))
    state = StudentSequence()
    for _ in range(10):
        state = state.update(1.0)
    assert state.lower(0.05) == -math.inf
    assert StudentSequence().update(1.0).lower(0.05) == -math.inf


def test_two_models_that_decide_alike_show_nothing() -> None:
    state = StudentSequence()
    for _ in range(40):
        state = state.update(0.0)
    assert state.interval().low == state.interval().high == 0.0


def test_critical_values_are_frozen() -> None:
    """The test that promotions were decided by; a change here changes decisions."""
    assert [round(critical_t(n, 0.05, 1 / 3), 3) for n in (11, 20, 30, 60, 100, 1000)] == [
        9.882,
        3.32,
        2.797,
        2.537,
        2.611,
        3.363,
    ]


@pytest.mark.parametrize("aim", [0.0, -1.0, math.inf, math.nan])
def test_an_aim_that_is_none_is_refused(aim: float) -> None:
    with pytest.raises(Invalid, match="aim"):
        critical_t(20, 0.05, aim)


def test_before_the_first_unit_nothing_is_known() -> None:
    assert StudentSequence().upper(0.05) == math.inf
    assert [math.isinf(critical_t(n, 0.5, 1 / 3)) for n in (0, 1)] == [True, True]


def test_two_units_have_no_lean_and_a_spread() -> None:
    state = after([1.0, 3.0])
    assert state._lean(towards=1.0) == state._lean(towards=-1.0) == 0.0
    assert state._error() > 0.0
    assert after([1.0])._error() == after([2.0, 2.0])._error() == 0.0
    assert after([2.0, 2.0, 2.0])._lean(towards=1.0) == 0.0
