"""The sequential t-test: against the integral by SciPy, and in trials."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from clew.core.errors import Invalid
from clew.stats.sequential.planning import power_by_unit, units_needed
from clew.stats.sequential.student import StudentSequence, critical_t

BETS = ((0.9, 1.0), (0.07, 1 / 3), (0.03, 1 / 9))


def by_scipy(xs: np.ndarray, margin: float, aim: float) -> float:
    """The evidence from its definition."""
    n, away = len(xs), xs - margin
    r = away.sum() / math.sqrt((away**2).sum())

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
    state = StudentSequence()
    for x in xs:
        state = state.update(float(x))
    assert state.log_evidence() == pytest.approx(by_scipy(xs, 0.0, 1 / 3), abs=1e-8)
    assert state.log_evidence(0.7) == pytest.approx(by_scipy(xs, 0.7, 1 / 3), abs=1e-8)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=60), st.floats(0.1, 2.0))
def test_the_bound_is_where_the_evidence_is_enough(xs: list[float], aim: float) -> None:
    state = StudentSequence(aim=aim)
    for x in xs:
        state = state.update(x)
    bound = state.lower(0.05)
    if math.isfinite(bound) and state.squares > 1e-6:
        assert state.log_evidence(bound) == pytest.approx(math.log(20.0), abs=1e-6)
        away = 0.01 * math.sqrt(state.squares)
        assert state.log_evidence(bound + away) < math.log(20.0) < state.log_evidence(bound - away)


@given(st.floats(-5, 5), st.floats(0.01, 100))
def test_units_of_money_do_not_matter(move: float, scale: float) -> None:
    xs = np.random.default_rng(1).normal(0.5, 1.0, 25)
    ours, other = StudentSequence(), StudentSequence()
    for x in xs:
        ours, other = ours.update(float(x)), other.update(float(move + scale * x))
    assert other.lower(0.05) == pytest.approx(move + scale * ours.lower(0.05), rel=1e-6, abs=1e-6)
    assert other.log_evidence(move) == pytest.approx(ours.log_evidence(), abs=1e-6)


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
    assert state.log_evidence() == 0.0
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


def trials(draw: object, mean: float, units: int, paths: int = 4000) -> np.ndarray:
    """The unit at which each trial's lower bound first exceeds 0, or a great number; shape (paths,)."""
    n = np.arange(1, units + 1)
    values = mean + draw(np.random.default_rng(7), (paths, units))
    means = np.cumsum(values, axis=1) / n
    squares = np.maximum(np.cumsum(values**2, axis=1) - n * means**2, 0.0)
    reach = np.array([critical_t(int(k), 0.05, 1 / 3) for k in n])
    late = n >= 11  # before that no evidence can be enough
    crossed = means[:, late] >= reach[late] * np.sqrt(squares[:, late] / (n[late] * (n[late] - 1)))
    return np.where(crossed.any(axis=1), 11 + crossed.argmax(axis=1), 10**6)


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.normal(0.0, 1.0, shape)


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("normal", normal),
        ("heavy tails", lambda rng, shape: rng.standard_t(4, shape) / math.sqrt(2)),
        ("two values", lambda rng, shape: rng.choice([-1.0, 1.0], shape)),
        ("rare gains", lambda rng, shape: rng.exponential(1.0, shape) - 1.0),
        ("skewness of -1/2", lambda rng, shape: (16.0 - rng.gamma(16.0, 1.0, shape)) / 4.0),
    ],
)
def test_false_positives_with_a_look_at_each_of_60_units_are_at_most_5_per_cent(name: str, draw: object) -> None:
    assert (trials(draw, 0.0, 60) <= 60).mean() <= 0.05, name


def test_false_positives_below_the_margin_are_fewer() -> None:
    assert (trials(normal, -0.1, 60) <= 60).mean() < 0.5 * (trials(normal, 0.0, 60) <= 60).mean()


@pytest.mark.parametrize(("effect", "units", "power"), [(0.6, 45, 0.9), (0.5, 60, 0.92), (1 / 3, 125, 0.9)])
def test_power(effect: float, units: int, power: float) -> None:
    """Effects in standard deviations of a unit: 90 % within 45, 60 and 125 units."""
    assert (trials(normal, effect, units) <= units).mean() >= power


def test_a_margin_moves_the_question() -> None:
    state = StudentSequence()
    for x in np.random.default_rng(3).normal(0.5, 1.0, 60):
        state = state.update(float(x))
    assert state.log_evidence(0.0) > math.log(20) > state.log_evidence(0.5)
    assert (state.lower(0.05) > 0.0, state.lower(0.05) > 0.5) == (True, False)


def test_plans_agree_with_trials() -> None:
    planned = power_by_unit(0.5, horizon=80, rng=np.random.default_rng(1), paths=4000)
    assert (np.diff(planned) >= 0).all()
    assert planned[:10].max() == 0.0
    assert planned[59] == pytest.approx((trials(normal, 0.5, 60) <= 60).mean(), abs=0.02)
    needed = units_needed(0.5, horizon=80, rng=np.random.default_rng(1), paths=4000)
    assert needed is not None
    assert 48 <= needed <= 60
    assert units_needed(0.1, horizon=60, rng=np.random.default_rng(1)) is None
    with pytest.raises(Invalid):
        power_by_unit(0.5, horizon=1, rng=np.random.default_rng(1))
