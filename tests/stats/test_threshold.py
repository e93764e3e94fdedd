from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.errors import Invalid
from clew.stats.threshold import best_threshold, best_threshold_by_unit
from clew.stats.value import BinaryCosts, calibrated_threshold, cost_of_decisions

COSTS = BinaryCosts(missed=7.0, false_alarm=2.0, caught=-1.0, passed=0.5)
rows = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=40)


def cost_at(threshold: float, scores: np.ndarray, labels: np.ndarray, costs: BinaryCosts) -> float:
    return float(cost_of_decisions(labels, scores >= threshold, costs).mean())


@given(rows, st.floats(0.1, 20), st.floats(0.1, 20))
def test_no_other_threshold_costs_less(pairs: list[tuple[int, bool]], missed: float, alarm: float) -> None:
    scores, labels = (np.array(side) for side in zip(*pairs, strict=True))
    costs = BinaryCosts(missed=missed, false_alarm=alarm)
    best = best_threshold(scores / 8, labels, costs)
    assert cost_at(best.value, scores / 8, labels, costs) == pytest.approx(best.cost, abs=1e-12)
    assert best.rows == len(pairs)
    for other in [*scores / 8, 2.0]:
        assert best.cost <= cost_at(other, scores / 8, labels, costs) + 1e-12


def test_it_lies_half_way_and_prefers_fewer_alarms() -> None:
    costs = BinaryCosts(missed=1.0, false_alarm=1.0)
    assert best_threshold([0.1, 0.2, 0.6, 0.9], [0, 0, 1, 1], costs).value == pytest.approx(0.4)
    none = best_threshold([0.1, 0.2], [0, 0], costs)
    assert (none.value > 0.2, none.cost) == (True, 0.0)
    every = best_threshold([0.1, 0.2], [1, 1], costs)
    assert (every.value, every.cost) == (0.1, 0.0)
    neighbours = [0.5, float(np.nextafter(0.5, 1.0))]
    assert best_threshold(neighbours, [0, 1], costs).value == neighbours[1]


def simulate(seed: int, days: int = 30, rows_of_day: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    units = np.repeat(np.arange(days), rows_of_day)
    p = rng.beta(1, 3, days * rows_of_day)
    return p, rng.random(len(p)) < p, units


def test_calibrated_scores_have_the_threshold_that_theory_gives() -> None:
    p, labels, units = simulate(1)
    found = best_threshold_by_unit(p, labels, units, COSTS, rng=np.random.default_rng(0), replicates=200)
    assert found.threshold.holds(calibrated_threshold(COSTS))
    assert found.threshold.value == best_threshold(p, labels, COSTS).value
    assert found.threshold.low <= found.threshold.value <= found.threshold.high
    assert found.threshold.units == found.cost.units == 30


def test_optimism_is_what_is_lost_on_new_rows() -> None:
    lost, said = [], []
    for seed in range(12):
        p, labels, units = simulate(seed, days=6, rows_of_day=15)
        found = best_threshold_by_unit(p, labels, units, COSTS, rng=np.random.default_rng(0), replicates=100)
        fresh, truth, _ = simulate(seed + 100, days=50)
        apparent = best_threshold(p, labels, COSTS).cost
        lost.append(cost_at(found.threshold.value, fresh, truth, COSTS) - apparent)
        said.append(found.optimism)
        assert found.cost.value == pytest.approx(apparent + found.optimism)
    assert np.mean(said) > 0.0
    assert np.mean(said) == pytest.approx(np.mean(lost), abs=0.15)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: best_threshold([], [], COSTS),
        lambda: best_threshold([0.5, np.inf], [0, 1], COSTS),
        lambda: best_threshold([0.5], [0], BinaryCosts(missed=1.0, false_alarm=-1.0)),
        lambda: best_threshold_by_unit([0.5, 0.6], [0, 1], ["d", "d"], COSTS, rng=np.random.default_rng(0)),
        lambda: best_threshold_by_unit([0.5, 0.6], [0, 1], [1, 2], COSTS, rng=np.random.default_rng(0), replicates=9),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()
