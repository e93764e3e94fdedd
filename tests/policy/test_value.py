"""Applying a value contract: decisions as an endpoint takes them, costs by hand, thresholds that cost least."""

from __future__ import annotations

import numpy as np
import pytest

from clew.core.clock import parse_us
from clew.core.errors import Invalid
from clew.core.types.value import BinaryValue, MulticlassValue, RegressionValue
from clew.policy.value import choose_threshold, coded, cost_per_row, decide, time_units, trivial_costs

BINARY = BinaryValue(missed_cost=50, false_alarm_cost=10, caught_gain=1)
SEVERAL = MulticlassValue(classes=["a", "b", "c"], costs=[[0, 1, 9], [2, 0, 9], [5, 6, 0]])
NUMBER = RegressionValue(over_cost=1, under_cost=3)


@pytest.mark.parametrize("classes", [[0, 1], [False, True], ["no", "yes"], [0.0, 1.0]])
def test_labels_are_places_in_the_classes(classes: list[bool | int | float | str]) -> None:
    assert coded([classes[1], classes[0]], classes).tolist() == [1, 0]


@pytest.mark.parametrize("label", [2, None, "1"])
def test_an_unknown_label_is_refused(label: object) -> None:
    with pytest.raises(Invalid, match="none of the classes"):
        coded([0, label], [0, 1])


def test_decisions_are_those_of_an_endpoint() -> None:
    assert decide(BINARY, [0.2, 0.1999, 0.9], 0.2).tolist() == [1, 0, 1]
    assert decide(SEVERAL, [[0.2, 0.5, 0.3], [0.5, 0.5, 0.0], [0.9, 0.1, 0.0]], None).tolist() == [1, 1, 0]
    assert decide(SEVERAL, [[2.0, 5.0, 3.0], [5.0, 5.0, 0.0]], None).tolist() == [1, 0], "no probabilities"
    assert decide(SEVERAL, [[0.5, 0.5, 0.0]], None, ["b", "a", "c"]).tolist() == [0], "in the order of the model"
    assert decide(NUMBER, [3.5], None).tolist() == [3.5]
    with pytest.raises(Invalid, match="needs a threshold"):
        decide(BINARY, [0.2], None)
    with pytest.raises(Invalid, match="not 2 axes"):
        decide(SEVERAL, [0.2], None)


def test_costs_by_hand() -> None:
    truths, decisions = np.array([1, 1, 0, 0]), np.array([0, 1, 1, 0])
    assert cost_per_row(BINARY, truths, decisions, [0, 1]).tolist() == [50, -1, 10, 0]
    flipped = BinaryValue(missed_cost=50, false_alarm_cost=10, caught_gain=1, positive=0)
    assert cost_per_row(flipped, truths, decisions, [0, 1]).tolist() == [10, 0, 50, -1]
    assert cost_per_row(SEVERAL, [0, 2], [2, 1], ["b", "c", "a"]).tolist() == [2, 9]
    assert cost_per_row(NUMBER, [1.0, 1.0], [3.0, 0.0], []).tolist() == [2, 3]


def test_policies_that_need_no_model() -> None:
    truths = np.array([1, 0, 0, 0])
    assert {k: v.tolist() for k, v in trivial_costs(BINARY, truths, [0, 1]).items()} == {
        "always": [-1, 10, 10, 10],
        "never": [50, 0, 0, 0],
    }
    flipped = BinaryValue(missed_cost=50, false_alarm_cost=10, positive="ill")
    assert trivial_costs(flipped, truths, ["ill", "well"])["never"].tolist() == [0, 50, 50, 50]
    assert {k: v.tolist() for k, v in trivial_costs(SEVERAL, truths, ["a", "b", "c"]).items()} == {
        "constant a": [2, 0, 0, 0]
    }
    quartile = trivial_costs(NUMBER, np.arange(5.0), [])["constant"]
    assert quartile.tolist() == [3, 2, 1, 0, 3]


@pytest.mark.parametrize("positive", [None, 1, 0])
def test_the_chosen_threshold_costs_least(positive: int | None) -> None:
    rng = np.random.default_rng(1)
    contract = BinaryValue(missed_cost=50, false_alarm_cost=10, positive=positive)
    scores = rng.uniform(size=2_000)
    labels = (rng.uniform(size=2_000) < scores).astype(int)
    units = rng.integers(0, 40, 2_000)
    found = choose_threshold(contract, (labels, scores, units), [0, 1], rng=rng).threshold

    def cost(threshold: float) -> float:
        return float(cost_per_row(contract, labels, decide(contract, scores, threshold), [0, 1]).mean())

    assert all(cost(found.value) <= cost(other) + 1e-9 for other in np.linspace(0, 1, 101))
    assert found.value == pytest.approx(5 / 6 if positive == 0 else 1 / 6, abs=0.1)


def test_units_of_time_sort_like_time() -> None:
    times = [parse_us(text) for text in ("2012-12-31T23:59:59Z", "2013-01-01T00:00:00Z", "1969-12-31T23:00:00Z")]
    assert time_units("day", times) == ["2012-12-31", "2013-01-01", "1969-12-31"]
    assert time_units("week", times) == ["2013-W01", "2013-W01", "1970-W01"]
    assert time_units("hour", times) == ["2012-12-31T23", "2013-01-01T00", "1969-12-31T23"]
    with pytest.raises(Invalid, match="no unit of time"):
        time_units("month", times)
