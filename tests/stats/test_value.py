from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.errors import Invalid
from clew.stats.value import (
    BinaryCosts,
    NumberCosts,
    calibrated_quantile,
    calibrated_threshold,
    cheapest_decisions,
    cost_of_decisions,
    cost_of_predictions,
    expected_costs,
)

COSTS = BinaryCosts(missed=100.0, false_alarm=5.0, caught=-20.0, passed=1.0)
money = st.floats(0.01, 1e6)


def test_each_outcome_costs_what_was_declared() -> None:
    cost = cost_of_decisions([1, 0, 1, 0], [0, 1, 1, 0], COSTS)
    assert cost.tolist() == [100.0, 5.0, -20.0, 1.0]
    matrix = [[0.0, 3.0, 1.0], [9.0, 0.0, 1.0]]
    assert cost_of_decisions([0, 1, 1], [1, 0, 2], matrix).tolist() == [3.0, 9.0, 1.0]


def test_binary_costs_are_a_matrix() -> None:
    rng = np.random.default_rng(1)
    truth, decided = rng.integers(0, 2, 50), rng.integers(0, 2, 50)
    same = cost_of_decisions(truth, decided, COSTS.matrix)
    assert cost_of_decisions(truth, decided, COSTS).tolist() == same.tolist()


def test_numbers_cost_by_direction() -> None:
    cost = cost_of_predictions([10.0, 10.0, 10.0], [13.0, 8.0, 10.0], NumberCosts(over=2.0, under=5.0))
    assert cost.tolist() == [6.0, 10.0, 0.0]


@given(money, money)
def test_the_calibrated_threshold_is_where_both_decisions_cost_the_same(missed: float, alarm: float) -> None:
    costs = BinaryCosts(missed=missed, false_alarm=alarm)
    t = calibrated_threshold(costs)
    assert 0.0 <= t <= 1.0
    no, yes = expected_costs([t, t], [0, 1], costs)
    assert no == pytest.approx(yes, rel=1e-6)
    if 0.001 < t < 0.999:
        assert cheapest_decisions([t - 1e-3 * t, t + 1e-3 * (1 - t)], costs).tolist() == [0, 1]


def test_a_mean_of_probabilities_may_be_a_rounding_above_one() -> None:
    mean = sum([1 / 49] * 49)
    assert mean > 1.0
    assert expected_costs([mean], [1], COSTS) == pytest.approx([COSTS.caught])
    assert cheapest_decisions([[mean, 1.0 - mean, 0.0]], np.ones((3, 3)) - np.eye(3)).tolist() == [0]
    with pytest.raises(Invalid, match="calibrate the scores"):
        expected_costs([1.001], [1], COSTS)


@given(money, money)
def test_the_calibrated_quantile_costs_least(over: float, under: float) -> None:
    costs = NumberCosts(over=over, under=under)
    truth = np.arange(200.0)
    quantile = calibrated_quantile(costs)
    at = [cost_of_predictions(truth, np.full(200, guess), costs).mean() for guess in truth]
    assert abs(int(np.argmin(at)) - quantile * 200) <= 1.5


def test_estimated_value_agrees_with_realised_value_of_calibrated_scores() -> None:
    rng = np.random.default_rng(2)
    p = rng.beta(1, 4, 200_000)
    truth, decided = rng.random(200_000) < p, p >= calibrated_threshold(COSTS)
    estimated, realised = expected_costs(p, decided, COSTS).mean(), cost_of_decisions(truth, decided, COSTS).mean()
    assert estimated == pytest.approx(realised, abs=0.3)


def test_a_third_decision_is_taken_where_it_is_cheapest() -> None:
    ask_a_person = [[0.0, 10.0, 2.0], [10.0, 0.0, 2.0]]
    table = [[0.95, 0.05], [0.5, 0.5], [0.1, 0.9]]
    assert cheapest_decisions(table, ask_a_person).tolist() == [0, 2, 1]
    assert expected_costs(table, [0, 2, 1], ask_a_person) == pytest.approx([0.5, 2.0, 1.0])


@pytest.mark.parametrize(
    "ask",
    [
        lambda: calibrated_threshold(BinaryCosts(missed=1.0, false_alarm=0.0)),
        lambda: calibrated_threshold(BinaryCosts(missed=1.0, false_alarm=1.0, caught=2.0)),
        lambda: calibrated_threshold(BinaryCosts(missed=math.inf, false_alarm=1.0)),
        lambda: calibrated_quantile(NumberCosts(over=0.0, under=0.0)),
        lambda: calibrated_quantile(NumberCosts(over=-1.0, under=2.0)),
        lambda: cost_of_decisions([0, 1], [0], COSTS),
        lambda: cost_of_decisions([0, 2], [0, 1], COSTS),
        lambda: cost_of_decisions([0, 2], [0, 1], [[0, 1], [1, 0]]),
        lambda: cost_of_decisions([0], [0], [[0, 1]]),
        lambda: cost_of_decisions([], [], COSTS),
        lambda: expected_costs([1.5], [1], COSTS),
        lambda: expected_costs([[1.5, 0.5]], [1], [[0, 1], [1, 0]]),
        lambda: expected_costs([[-0.5, 0.5]], [1], [[0, 1], [1, 0]]),
        lambda: expected_costs([[0.2, 0.3, 0.5]], [1], [[0, 1], [1, 0]]),
        lambda: cost_of_predictions([1.0], [math.inf], NumberCosts(over=1.0, under=1.0)),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()
