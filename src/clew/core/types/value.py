"""The value contract: what right and wrong decisions of a model are worth, as `[value.MODEL]` in `clew.toml`.

Declared once; thresholds, evaluations, gates, monitors and retraining all optimise it. Costs are in the user's money,
per decision; gains are negative costs. What it means and how to choose the numbers: docs/explanation/value-contract.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from clew.core.errors import Invalid
from clew.core.types.signature import ClassLabel, Task

__all__ = ["BinaryValue", "MulticlassValue", "RegressionValue", "ValueContract", "plain_value"]

_says = msgspec.Meta
_MOST = 1e15
"""Costs beyond this are a slip, and their squares at some point no numbers."""


class _Shared(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What contracts of every kind say."""

    unit: Annotated[
        str,
        _says(
            description="What is independent of what: `row`, `hour`, `day` or `week` (of the decision's time, UTC), "
            "or a column that names it, such as a customer. Intervals and tests count units, not rows."
        ),
    ] = "row"
    time: Annotated[
        str, _says(description="Column with the time of a decision, for units of time in tables of past decisions.")
    ] = ""
    decisions_per_day: Annotated[
        float, _says(description="How many decisions there are a day, to say costs per day. 0: not known.")
    ] = 0.0


class BinaryValue(_Shared, frozen=True, kw_only=True, tag_field="kind", tag="binary", omit_defaults=True):
    """A yes-or-no decision: `kind = "binary"`."""

    missed_cost: Annotated[float, _says(description="What a case costs that the model says no to.")]
    false_alarm_cost: Annotated[float, _says(description="What a yes costs where there is no case.")]
    caught_gain: Annotated[float, _says(description="What a case earns that the model says yes to.")] = 0.0
    passed_gain: Annotated[float, _says(description="What a no earns where there is no case.")] = 0.0
    positive: Annotated[
        ClassLabel | None, _says(description="The label of a case. Default: the model's second class (1, true).")
    ] = None

    def __post_init__(self) -> None:
        _check_numbers(
            missed_cost=self.missed_cost,
            false_alarm_cost=self.false_alarm_cost,
            caught_gain=self.caught_gain,
            passed_gain=self.passed_gain,
        )
        miss, alarm = self.missed_cost + self.caught_gain, self.false_alarm_cost + self.passed_gain
        if not (miss > 0 and alarm > 0):
            raise Invalid(
                f"missed_cost and caught_gain add up to {miss:g}, false_alarm_cost and passed_gain to {alarm:g}",
                hint="both sums must be above 0, or one answer is always right",
            )
        _check_shared(self)

    def matrix(self, classes: Sequence[ClassLabel]) -> list[list[float]]:
        """What each outcome costs, `[truth][decision]`, in the order of a model's two classes.

        Raises:
            Invalid: they are not two, or `positive` is none of them.
        """
        known = list(classes)
        if len(known) != 2 or (self.positive is not None and self.positive not in known):
            raise Invalid(
                f"a binary value contract with positive = {self.positive!r} does not fit the classes {known}",
                hint="positive must be one of the model's two classes",
            )
        passed, alarm, missed, caught = -self.passed_gain, self.false_alarm_cost, self.missed_cost, -self.caught_gain
        if self.positive is None or self.positive == known[1]:
            return [[passed, alarm], [missed, caught]]
        return [[caught, missed], [alarm, passed]]


class MulticlassValue(_Shared, frozen=True, kw_only=True, tag_field="kind", tag="multiclass", omit_defaults=True):
    """A decision for one of several classes: `kind = "multiclass"`."""

    classes: Annotated[list[ClassLabel], _says(description="The classes, in the order of the costs.")]
    costs: Annotated[
        list[list[float]],
        _says(description="What each decision costs: one row for each true class, one column for each decision."),
    ]

    def __post_init__(self) -> None:
        size = len(self.classes)
        if size < 2 or len(set(self.classes)) != size:
            raise Invalid(f"classes = {self.classes} are not two or more different classes")
        if len(self.costs) != size or any(len(row) != size for row in self.costs):
            raise Invalid(f"costs are not {size} rows of {size} numbers", hint="costs[true class][decision]")
        for truth, row in enumerate(self.costs):
            _check_numbers(**{f"costs[{truth}][{decision}]": cost for decision, cost in enumerate(row)})
        if all(len(set(column)) == 1 for column in zip(*self.costs, strict=True)) or all(
            len(set(row)) == 1 for row in self.costs
        ):
            raise Invalid("costs do not depend on the decision and the truth", hint="then there is nothing to decide")
        _check_shared(self)

    def matrix(self, classes: Sequence[ClassLabel]) -> list[list[float]]:
        """What each outcome costs, `[truth][decision]`, in the order of a model's classes.

        Raises:
            Invalid: they are not the classes of the contract.
        """
        known = list(classes)
        if len(known) != len(self.classes) or set(known) != set(self.classes):
            raise Invalid(f"a value contract for the classes {self.classes} does not fit the classes {known}")
        order = [self.classes.index(label) for label in known]
        return [[self.costs[truth][decision] for decision in order] for truth in order]


class RegressionValue(_Shared, frozen=True, kw_only=True, tag_field="kind", tag="regression", omit_defaults=True):
    """A predicted number: `kind = "regression"`."""

    over_cost: Annotated[float, _says(description="What each unit costs by which the number is too high.")]
    under_cost: Annotated[float, _says(description="What each unit costs by which the number is too low.")]

    def __post_init__(self) -> None:
        _check_numbers(over_cost=self.over_cost, under_cost=self.under_cost)
        if not (self.over_cost >= 0 and self.under_cost >= 0 and self.over_cost + self.under_cost > 0):
            raise Invalid(
                f"over_cost = {self.over_cost:g} and under_cost = {self.under_cost:g} must not be negative, nor both 0"
            )
        _check_shared(self)


ValueContract = BinaryValue | MulticlassValue | RegressionValue


def plain_value(task: Task, classes: tuple[ClassLabel, ...] = (), *, unit: str = "row") -> ValueContract:
    """What holds where nobody declared a contract: every mistake costs 1; of a number, its distance."""
    if task is Task.REGRESSION:
        return RegressionValue(over_cost=1, under_cost=1, unit=unit)
    if task is Task.BINARY:
        return BinaryValue(missed_cost=1, false_alarm_cost=1, unit=unit)
    costs = [[float(truth != decision) for decision in classes] for truth in classes]
    return MulticlassValue(classes=list(classes), costs=costs, unit=unit)


def _check_numbers(**numbers: float) -> None:
    for name, value in numbers.items():
        if not abs(value) <= _MOST:
            raise Invalid(f"{name} = {value:g} is no number from {-_MOST:g} to {_MOST:g}")


def _check_shared(contract: _Shared) -> None:
    if not contract.unit:
        raise Invalid('unit = "" names nothing', hint="row, hour, day, week, or a column")
    if not 0 <= contract.decisions_per_day <= _MOST:
        raise Invalid(f"decisions_per_day = {contract.decisions_per_day} is no number of decisions")
