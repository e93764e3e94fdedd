"""Evaluations: sums by unit that add up, metrics that are right, sizes that stay small."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.errors import Invalid
from clew.core.types.evaluation import Evaluation, EvaluationSource, decode_evaluation, encode_evaluation
from clew.core.types.interval import Interval
from clew.core.types.value import BinaryValue, MulticlassValue, RegressionValue, ValueContract
from clew.policy.evaluation import JudgedRows, evaluate
from clew.policy.units import MOST_UNITS

BINARY = BinaryValue(missed_cost=50, false_alarm_cost=10, unit="day")
SEVERAL = MulticlassValue(classes=["a", "b", "c"], costs=[[0, 1, 9], [2, 0, 9], [5, 6, 0]])
NUMBER = RegressionValue(over_cost=1, under_cost=3)


def judge(rows: JudgedRows, contract: ValueContract = BINARY, *, threshold: float | None = 0.5) -> Evaluation:
    return evaluate(rows, contract, created_us=1, threshold=threshold)


def test_a_small_case_by_hand() -> None:
    rows = JudgedRows(
        labels=[1, 0, 1, 0],
        scores=[0.9, 0.6, 0.1, 0.2],
        units=["b", "b", "a", "a"],
        slices={"origin": ["JFK", "EWR", None, "JFK"]},
        data=("flights@3", "id"),
    )
    found = judge(rows)
    assert (found.units.names, found.units.rows, found.units.cost) == (["a", "b"], [2, 2], [50, 10])
    assert found.trivial == {"always": [10, 10], "never": [50, 50]}
    assert found.metrics["cost"].value == 15
    assert found.metrics["accuracy"].value == 0.5
    assert found.metrics["auc"].value == 0.5
    assert found.metrics["positives"].value == 0.5
    assert found.metrics["brier"].value == pytest.approx((0.01 + 0.36 + 0.81 + 0.04) / 4)
    assert found.confusion == [[1, 1], [1, 1]]
    assert [(s.value, s.rows, s.cost) for s in found.slices] == [
        ("JFK", [1, 1], [0, 0]),
        ("(missing)", [1, 0], [50, 0]),
        ("EWR", [0, 1], [0, 10]),
    ]
    assert found.scores is not None
    assert (sum(found.scores.positives), sum(found.scores.negatives)) == (2, 2)
    assert (found.data, found.data_version, found.source) == ("flights@3", "id", EvaluationSource.HOLDOUT)
    assert decode_evaluation(encode_evaluation(found)) == found


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_sums_by_unit_and_slice_add_up_to_the_mean_cost(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 60))
    labels = data.draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    scores = data.draw(st.lists(st.floats(0, 1), min_size=size, max_size=size))
    units = data.draw(st.lists(st.integers(0, 9), min_size=size, max_size=size))
    groups = data.draw(st.lists(st.sampled_from("xyz"), min_size=size, max_size=size))
    found = judge(JudgedRows(labels=labels, scores=scores, units=units, slices={"g": groups}))
    cost = found.metrics["cost"]
    assert sum(found.units.cost) == pytest.approx(cost.value * size)
    assert cost.low <= cost.value <= cost.high
    assert sum(sum(part.rows) for part in found.slices) == sum(found.units.rows) == size
    assert sum(sum(part.cost) for part in found.slices) == pytest.approx(sum(found.units.cost))
    assert np.sum(found.confusion) == size


def test_the_same_rows_have_the_same_digest_whatever_the_scores() -> None:
    labels, units = [1, 0, 1], ["a", "b", "b"]
    one = judge(JudgedRows(labels=labels, scores=[0.1, 0.2, 0.3], units=units))
    other = judge(JudgedRows(labels=np.array(labels), scores=[0.9, 0.2, 0.3], units=np.array(units)))
    moved = judge(JudgedRows(labels=labels, scores=[0.1, 0.2, 0.3], units=["b", "a", "b"]))
    assert one.rows_digest == other.rows_digest != moved.rows_digest


def test_decisions_that_were_logged_stand_above_scores() -> None:
    found = judge(
        JudgedRows(labels=["no", "yes"], scores=[0.9, 0.1], classes=["no", "yes"], decisions=["no", "yes"]),
        threshold=None,
    )
    assert found.metrics["cost"].value == 0
    assert found.threshold is None


def test_a_case_may_be_the_first_class() -> None:
    contract = BinaryValue(missed_cost=100, false_alarm_cost=1, positive="ill")
    rows = JudgedRows(labels=["ill", "well"], scores=[0.9, 0.1], classes=["ill", "well"])
    found = judge(rows, contract)
    assert sum(found.units.cost) == 101
    assert found.confusion == [[0, 1], [1, 0]]
    assert found.metrics["auc"].value == 0


def test_several_classes_and_numbers() -> None:
    several = judge(JudgedRows(labels=["a", "c"], scores=[[0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]), SEVERAL)
    assert (several.units.cost, several.confusion[0]) == ([1, 0], [0, 1, 0])
    assert several.scores is None
    number = judge(JudgedRows(labels=[1.0, 2.0], scores=[2.0, 1.0]), NUMBER)
    assert number.units.cost == [1, 3]
    assert number.metrics["mean_error"].value == 0
    assert number.metrics["mean_absolute_error"].value == 1
    assert (number.confusion, number.classes) == ([], [])


def test_many_units_are_pooled_in_their_order() -> None:
    size = 2 * MOST_UNITS + 7
    found = judge(JudgedRows(labels=[0, 1] * (size // 2) + [1], scores=np.linspace(0, 1, size)))
    missed = judge(JudgedRows(labels=[1] * 4 + [0] * (size - 4), scores=np.zeros(size)))
    assert [index for index, cost in enumerate(missed.units.cost) if cost] == [0, 1]
    assert len(found.units.names) == MOST_UNITS
    assert sum(found.units.rows) == size
    assert set(found.units.rows) == {2, 3}
    assert found.units.names[1] == "3…"
    assert len(encode_evaluation(found)) < 50_000


def test_one_unit_leaves_everything_open() -> None:
    found = judge(JudgedRows(labels=[0, 1], scores=[0.1, 0.9], units=["a", "a"]))
    assert found.metrics["cost"].high == float("inf")
    assert (found.metrics["auc"].value, found.metrics["auc"].low) == (1.0, -float("inf"))


def test_one_class_has_no_auc() -> None:
    assert "auc" not in judge(JudgedRows(labels=[0, 0], scores=[0.1, 0.9])).metrics


@pytest.mark.parametrize(
    "rows",
    [
        JudgedRows(labels=[], scores=[]),
        JudgedRows(labels=[0, 1], scores=[0.5]),
        JudgedRows(labels=[0, 1], scores=[0.5, float("nan")]),
        JudgedRows(labels=[0, 2], scores=[0.5, 0.5]),
        JudgedRows(labels=[0, 1], scores=[0.5, 0.5], units=["a"]),
        JudgedRows(labels=[0, 1], scores=[0.5, 0.5], slices={"g": ["a"]}),
        JudgedRows(labels=[0, 1], scores=[0.5, 0.5], classes=["no", "yes"]),
    ],
)
def test_rows_that_do_not_fit_are_refused(rows: JudgedRows) -> None:
    with pytest.raises(Invalid):
        judge(rows)


def days_of(rng: np.random.Generator, days: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, scores and days; a bad day raises both, and the model does not know by how much."""
    day = np.repeat(np.arange(days), rows)
    luck = rng.normal(0.0, 0.5, days)[day]
    known = rng.normal(-1.0, 1.0, days * rows) + 0.5 * luck
    return rng.random(days * rows) < 1 / (1 + np.exp(-known - luck)), 1 / (1 + np.exp(-known)), day


def test_what_is_reported_by_day_covers_the_truth() -> None:
    """Value, proportions, calibration (the Brier score) and AUC: 400 evaluations of 25 days, the truth of 4,000."""
    contract = BinaryValue(missed_cost=5, false_alarm_cost=1, unit="day")
    truth = measures(days_of(np.random.default_rng(1), 4000, 40), contract)
    rng, held = np.random.default_rng(2), dict.fromkeys(truth, 0)
    for _ in range(400):
        found = measures(days_of(rng, 25, 40), contract)
        for name in held:
            held[name] += found[name].holds(truth[name].value)
    assert set(held) == {"cost", "accuracy", "positives", "decided_positive", "brier", "auc"}
    for name, count in held.items():
        assert 0.95 - 0.035 <= count / 400 <= 0.99, name


def measures(drawn: tuple[np.ndarray, np.ndarray, np.ndarray], contract: BinaryValue) -> dict[str, Interval]:
    labels, scores, day = drawn
    rows = JudgedRows(labels=labels.astype(int), scores=scores, units=day)
    return dict(evaluate(rows, contract, created_us=1, threshold=1 / 6).metrics)
