"""Applies a value contract: scores to decisions, decisions to costs, thresholds chosen for the least cost.

Arrays only; the formulas are in `clew.stats.value` and `clew.stats.threshold`. A gain is a negative cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from clew.core.errors import Invalid
from clew.core.types.signature import ClassLabel
from clew.core.types.value import BinaryValue, MulticlassValue, RegressionValue, ValueContract

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from clew.stats.threshold import ThresholdByUnit
    from clew.stats.value import NumberCosts

    Codes = NDArray[np.intp]
    Floats = NDArray[np.float64]

__all__ = [
    "choose_threshold",
    "coded",
    "cost_per_row",
    "decide",
    "decision_costs",
    "time_units",
    "trivial_costs",
]

_WORDS_OF_TIME = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "week": "%G-W%V"}
_US = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def coded(labels: ArrayLike, classes: Sequence[ClassLabel]) -> Codes:
    """Labels, or decisions, as places in the classes of a model.

    Args:
        labels: shape (rows,), as they came.
        classes: the classes that the model knows, in its order.

    Raises:
        Invalid: a label is none of them.
    """
    import numpy as np

    array = np.asarray(labels)
    codes = np.full(array.shape, -1, np.intp)
    for code, label in enumerate(classes):
        codes[array == np.asarray(label)] = code
    if (codes < 0).any():
        odd = array[codes < 0][0]
        raise Invalid(f"label {odd!r} is none of the classes {list(classes)}", hint="labels must be as in training")
    return codes


def decision_costs(contract: ValueContract, classes: Sequence[ClassLabel]) -> list[list[float]] | None:
    """What the decisions of a model of several classes cost, `[truth][decision]`, where that changes which is cheapest.

    None where the most likely class is always the cheapest one: every mistake costs the same.

    Args:
        contract: what decisions are worth.
        classes: the classes that the model knows, in its order.

    Raises:
        Invalid: the classes are not those of the contract.
    """
    if not isinstance(contract, MulticlassValue):
        return None
    matrix = contract.matrix(classes)
    right = {row[at] for at, row in enumerate(matrix)}
    wrong = {cost for at, row in enumerate(matrix) for column, cost in enumerate(row) if column != at}
    return None if len(right) == len(wrong) == 1 and max(right) < min(wrong) else matrix


def decide(
    contract: ValueContract, scores: ArrayLike, threshold: float | None, classes: Sequence[ClassLabel] = ()
) -> Codes | Floats:
    """Decisions as an endpoint takes them whose scores are calibrated.

    Args:
        contract: what decisions are worth.
        scores: shape (rows,): of the second class, or the predicted numbers; or shape (rows, classes): probabilities,
            or else the greatest one is decided.
        threshold: the score from which a binary decision is the second class.
        classes: the classes of the model, in its order; those of a contract of several classes when empty.

    Returns:
        Shape (rows,): places in the classes of the model, or numbers.

    Raises:
        Invalid: the scores have another shape, or there is no threshold.
    """
    import numpy as np

    from clew.stats.arrays import floats_of
    from clew.stats.value import cheapest_decisions

    if isinstance(contract, MulticlassValue):
        table = floats_of("scores", scores, ndim=2)
        costs = decision_costs(contract, classes or contract.classes)
        if costs is None or not _are_probabilities(table):
            return np.asarray(np.argmax(table, axis=1), dtype=np.intp)
        return cheapest_decisions(table, costs)
    array = floats_of("scores", scores)
    if isinstance(contract, RegressionValue):
        return array
    if threshold is None:
        raise Invalid("a binary decision needs a threshold", hint="give one with the model: threshold=…")
    return np.asarray(array >= threshold, dtype=np.intp)


def _are_probabilities(table: Floats) -> bool:
    import numpy as np

    return bool((table >= 0).all() and np.allclose(table.sum(axis=1), 1.0, atol=1e-6))


def cost_per_row(
    contract: ValueContract, truths: ArrayLike, decisions: ArrayLike, classes: Sequence[ClassLabel]
) -> Floats:
    """What each decision cost.

    Args:
        contract: what decisions are worth.
        truths: shape (rows,), as `coded` gives them, or numbers.
        decisions: shape (rows,), likewise.
        classes: the classes that the model knows, in its order; empty for numbers.

    Returns:
        Shape (rows,).

    Raises:
        Invalid: the classes are not those of the contract.
    """
    from clew.stats.value import cost_of_decisions, cost_of_predictions

    if isinstance(contract, RegressionValue):
        return cost_of_predictions(truths, decisions, _number_costs(contract))
    return cost_of_decisions(truths, decisions, contract.matrix(classes))


def trivial_costs(contract: ValueContract, truths: Codes | Floats, classes: Sequence[ClassLabel]) -> dict[str, Floats]:
    """What each row costs under policies that need no model.

    Binary: `always` and `never` deciding for a case. Several classes: the best constant class. Numbers: the best
    constant number. The last two are chosen on these very rows, which favours them: a model that beats them has
    earned it.
    """
    import numpy as np

    from clew.stats.value import calibrated_quantile

    def constant(decision: float) -> Floats:
        return cost_per_row(contract, truths, np.full(len(truths), decision), classes)

    if isinstance(contract, RegressionValue):
        return {"constant": constant(float(np.quantile(truths, calibrated_quantile(_number_costs(contract)))))}
    if isinstance(contract, BinaryValue):
        case = 1 if contract.positive is None else list(classes).index(contract.positive)
        return {"always": constant(case), "never": constant(1 - case)}
    by_class = {f"constant {label}": constant(code) for code, label in enumerate(classes)}
    best = min(by_class, key=lambda name: float(by_class[name].sum()))
    return {best: by_class[best]}


def choose_threshold(
    contract: BinaryValue,
    rows: tuple[ArrayLike, ArrayLike, ArrayLike],
    classes: Sequence[ClassLabel],
    *,
    rng: np.random.Generator,
) -> ThresholdByUnit:
    """The threshold with the least cost, and how sure it is.

    Take rows that the model was not fitted on, and others than those that it is evaluated on.

    Args:
        contract: what decisions are worth.
        rows: labels, scores of the second class, and units, each of shape (rows,).
        classes: the two classes that the model knows, in its order.
        rng: the random source of the bootstrap.

    Raises:
        Invalid: a label is unknown, shapes differ, or there are fewer than two units.
    """
    from clew.stats.threshold import best_threshold_by_unit
    from clew.stats.value import BinaryCosts

    labels, scores, units = rows
    (passed, alarm), (missed, caught) = contract.matrix(classes)
    costs = BinaryCosts(missed=missed, false_alarm=alarm, caught=caught, passed=passed)
    return best_threshold_by_unit(scores, coded(labels, classes), units, costs, rng=rng)


def _number_costs(contract: RegressionValue) -> NumberCosts:
    from clew.stats.value import NumberCosts

    return NumberCosts(over=contract.over_cost, under=contract.under_cost)


def time_units(unit: str, times_us: Sequence[int]) -> list[str]:
    """The hour, day or week (ISO, from Monday) of each time, UTC: names that sort like time.

    Raises:
        Invalid: `unit` is no unit of time.
    """
    if unit not in _WORDS_OF_TIME:
        raise Invalid(f"unit {unit!r} is no unit of time", hint="hour, day or week")
    form, hour_us = _WORDS_OF_TIME[unit], 3_600_000_000
    hours = [time_us // hour_us for time_us in times_us]
    names = {hour: (_EPOCH + hour * hour_us * _US).strftime(form) for hour in set(hours)}
    return [names[hour] for hour in hours]
