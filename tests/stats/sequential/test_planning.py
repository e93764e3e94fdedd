"""Trials by the thousand: how often a challenger that is no better is promoted, and one that is better is found.

Every trial is looked at after every unit. Units are normal, or like the daily differences of cost of two models of the
flights example: measured there, skewness reaches 1.7 to either side, excess kurtosis 3 to 4, and the correlation of a
day with the one before it 0.1 to 0.34.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from clew.core.errors import Invalid
from clew.settings.sections import PromotionSettings
from clew.stats.sequential.planning import lower_bounds, power_by_unit, units_needed
from clew.stats.sequential.student import StudentSequence

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

TRIALS = 2000
SETTINGS = PromotionSettings()
ALPHA = (1.0 - SETTINGS.confidence) / 2.0
"""A trial promotes when one end of its interval has passed the margin."""


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.normal(0.0, 1.0, shape)


GRID = np.linspace(-6.0, 6.0, 2001)


def linked(costs: np.ndarray, alike: float) -> Draw:
    """Days whose costs are a function of a normal autoregression of the first order, given on the grid."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        z = rng.normal(0.0, 1.0, shape)
        for day in range(1, shape[1]):
            z[:, day] = alike * z[:, day - 1] + math.sqrt(1.0 - alike**2) * z[:, day]
        return np.interp(z, GRID, costs)

    return draw


def like_flights(*, skewness: float, alike: float) -> Draw:
    """Gamma costs with mean 0 and deviation 1."""
    shape = (2.0 / skewness) ** 2
    costs = (stats.gamma.ppf(stats.norm.cdf(GRID), shape) - shape) / math.sqrt(shape)
    return linked(math.copysign(1.0, skewness) * costs, alike)


DRAWS: dict[str, Draw] = {
    "normal": normal,
    "heavy tails": lambda rng, shape: rng.standard_t(4, shape) / math.sqrt(2),
    "two values": lambda rng, shape: rng.choice([-1.0, 1.0], shape),
    "rare gains": lambda rng, shape: rng.exponential(1.0, shape) - 1.0,
    "rare losses": lambda rng, shape: 1.0 - rng.exponential(1.0, shape),
    "flights": like_flights(skewness=1.0, alike=0.1),
    "flights, bad days lose": like_flights(skewness=-1.6, alike=0.25),
    "flights, bad days gain": like_flights(skewness=1.6, alike=0.25),
    "days alike": linked(GRID, 0.3),
    "days alike with heavy tails": linked(stats.t.ppf(stats.norm.cdf(GRID), 3), 0.3),
}


def promoted(draw: Draw, gain: float = 0.0, units: int = SETTINGS.max_units, seed: int = 7) -> float:
    """The share of trials that are promoted by some look."""
    values = gain + draw(np.random.default_rng(seed), (TRIALS, units))
    return float((lower_bounds(values, alpha=ALPHA) > 0.0).any(axis=1).mean())


def promoted_by_students_test(draw: Draw, units: int = SETTINGS.max_units) -> float:
    """The same by Student's test at 5 %, asked after every unit from the first that the settings allow."""
    values = draw(np.random.default_rng(7), (TRIALS, units))
    n = np.arange(1, units + 1)
    mean = np.cumsum(values, axis=1) / n
    squares = np.cumsum(values**2, axis=1) - n * mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        t = mean / np.sqrt(squares / (n * (n - 1)))
    asked = slice(SETTINGS.min_units - 1, None)
    return float((t[:, asked] > stats.t.isf(0.05, n[asked] - 1)).any(axis=1).mean())


@pytest.mark.parametrize("name", DRAWS)
def test_no_better_challenger_is_promoted_in_more_than_5_per_cent(name: str) -> None:
    assert promoted(DRAWS[name]) <= 0.05


def test_no_better_challenger_is_promoted_in_150_units_either() -> None:
    assert promoted(normal, units=150) <= 0.05
    assert promoted(DRAWS["flights"], units=150) <= 0.05


@pytest.mark.parametrize("name", ["normal", "flights, bad days lose", "days alike"])
def test_students_test_asked_after_every_unit_promotes_far_too_often(name: str) -> None:
    assert promoted_by_students_test(DRAWS[name]) >= 0.15


def test_a_worse_challenger_is_promoted_less_often() -> None:
    assert promoted(normal, -0.1) <= 0.5 * promoted(normal)


@pytest.mark.parametrize("effect", [1 / 3, 0.5, 0.8])
def test_a_planned_trial_finds_its_effect_nine_times_out_of_ten(effect: float) -> None:
    """Planned by one random source, run by another; within the error of both simulations."""
    units = units_needed(effect, horizon=300, rng=np.random.default_rng(1), alpha=ALPHA)
    assert units is not None
    found = promoted(normal, effect, units, seed=8)
    assert found >= 0.9 - 3 * math.sqrt(2 * 0.09 / TRIALS)
    assert promoted(normal, effect, units // 2, seed=8) < 0.75


@pytest.mark.parametrize(("effect", "units"), [(0.8, 40), (0.6, 55), (0.5, 70), (1 / 3, 155)])
def test_power(effect: float, units: int) -> None:
    """As docs/explanation/statistics.md says, in standard deviations of a unit."""
    assert promoted(normal, effect, units) >= 0.9


def test_many_trials_at_once_are_each_of_them() -> None:
    values = 0.5 + DRAWS["flights, bad days lose"](np.random.default_rng(2), (4, 60))
    bounds = lower_bounds(values, alpha=ALPHA)
    for row, expected in zip(values, bounds, strict=True):
        state, found = StudentSequence(), []
        for value in row:
            state = state.update(float(value))
            found.append(state.lower(ALPHA))
        assert found == pytest.approx(expected.tolist())


def test_plans_agree_with_trials() -> None:
    planned = power_by_unit(0.5, horizon=80, rng=np.random.default_rng(1), paths=4000)
    assert (np.diff(planned) >= 0).all()
    assert planned[:10].max() == 0.0
    values = 0.5 + normal(np.random.default_rng(7), (4000, 60))
    assert planned[59] == pytest.approx((lower_bounds(values) > 0.0).any(axis=1).mean(), abs=0.03)
    needed = units_needed(0.5, horizon=80, rng=np.random.default_rng(1), paths=4000)
    assert needed == 1 + int(np.argmax(planned >= 0.9))
    assert units_needed(0.1, horizon=60, rng=np.random.default_rng(1)) is None
    assert units_needed(5.0, horizon=2, rng=np.random.default_rng(1)) is None


@pytest.mark.parametrize(
    "ask",
    [{"horizon": 1}, {"horizon": 5, "paths": 0}, {"horizon": 5, "effect": math.inf}, {"horizon": 5, "alpha": 0.7}],
)
def test_nonsense_is_refused(ask: dict[str, float]) -> None:
    with pytest.raises(Invalid):
        power_by_unit(**{"effect": 0.5, "rng": np.random.default_rng(1), **ask})
