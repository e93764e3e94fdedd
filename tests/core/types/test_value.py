"""Value contracts: what they refuse, and what an outcome costs in the order of a model's classes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.errors import Invalid
from clew.core.types.signature import Task
from clew.core.types.value import BinaryValue, MulticlassValue, RegressionValue, ValueContract, plain_value


@pytest.mark.parametrize(
    "make",
    [
        lambda: BinaryValue(missed_cost=0, false_alarm_cost=1),
        lambda: BinaryValue(missed_cost=1, false_alarm_cost=-1),
        lambda: BinaryValue(missed_cost=float("nan"), false_alarm_cost=1),
        lambda: BinaryValue(missed_cost=1, false_alarm_cost=1, unit=""),
        lambda: BinaryValue(missed_cost=1, false_alarm_cost=1, decisions_per_day=-1),
        lambda: MulticlassValue(classes=["a"], costs=[[0]]),
        lambda: MulticlassValue(classes=["a", "a"], costs=[[0, 1], [1, 0]]),
        lambda: MulticlassValue(classes=["a", "b"], costs=[[0, 1]]),
        lambda: MulticlassValue(classes=["a", "b"], costs=[[0, 1], [0, 1]]),
        lambda: MulticlassValue(classes=["a", "b"], costs=[[0, 0], [1, 1]]),
        lambda: MulticlassValue(classes=["a", "b"], costs=[[0, float("inf")], [1, 0]]),
        lambda: RegressionValue(over_cost=0, under_cost=0),
        lambda: RegressionValue(over_cost=-1, under_cost=2),
    ],
)
def test_contracts_under_which_nothing_is_to_be_decided_are_refused(make: object) -> None:
    with pytest.raises(Invalid):
        make()  # type: ignore[operator]


def test_the_case_may_be_either_class() -> None:
    costs = {"missed_cost": 100, "false_alarm_cost": 1, "caught_gain": 5, "passed_gain": 2}
    assert BinaryValue(**costs).matrix([0, 1]) == [[-2, 1], [100, -5]]  # type: ignore[arg-type]
    assert BinaryValue(**costs, positive=1).matrix([0, 1]) == [[-2, 1], [100, -5]]  # type: ignore[arg-type]
    assert BinaryValue(**costs, positive=0).matrix([0, 1]) == [[-5, 100], [1, -2]]  # type: ignore[arg-type]


@pytest.mark.parametrize(("positive", "classes"), [("x", ["a", "b"]), (None, ["a"]), (None, [])])
def test_classes_that_do_not_fit_are_refused(positive: str | None, classes: list[str]) -> None:
    with pytest.raises(Invalid, match="does not fit"):
        BinaryValue(missed_cost=1, false_alarm_cost=1, positive=positive).matrix(classes)


def test_costs_follow_the_order_of_the_model() -> None:
    contract = MulticlassValue(classes=["a", "b", "c"], costs=[[0, 1, 2], [3, 0, 4], [5, 6, 0]])
    assert contract.matrix(["c", "a", "b"]) == [[0, 5, 6], [2, 0, 1], [4, 3, 0]]
    with pytest.raises(Invalid, match="does not fit"):
        contract.matrix(["a", "b", "d"])


@given(st.sampled_from(Task), st.permutations(["a", "b", "c"]))
def test_without_a_contract_every_mistake_costs_one(task: Task, classes: list[str]) -> None:
    contract = plain_value(task, tuple(classes if task is Task.MULTICLASS else classes[:2]), unit="day")
    assert contract.unit == "day"
    if isinstance(contract, RegressionValue):
        assert (contract.over_cost, contract.under_cost) == (1, 1)
    else:
        matrix = contract.matrix(classes if task is Task.MULTICLASS else classes[:2])
        assert all(cost == (i != j) for i, row in enumerate(matrix) for j, cost in enumerate(row))


@pytest.mark.parametrize("task", list(Task))
def test_contracts_are_stored_and_read_back(task: Task) -> None:
    contract = plain_value(task, ("a", "b", "c"))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(contract), type=ValueContract) == contract


def test_the_smallest_contracts_are_accepted() -> None:
    assert MulticlassValue(classes=["a", "b"], costs=[[0, 1], [1, 0]]).classes == ["a", "b"]
    assert RegressionValue(over_cost=0, under_cost=1).under_cost == 1
    assert BinaryValue(missed_cost=1, false_alarm_cost=1, decisions_per_day=0).decisions_per_day == 0
