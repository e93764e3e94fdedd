"""What decisions cost, from the truth or, for calibrated scores, from the scores alone.

All figures are costs in the user's money, per row; a gain is a negative cost. What a row is worth to do nothing at all
about is 0. Thresholds learned from data are in `clew.stats.threshold`; intervals of mean costs in
`clew.stats.intervals`.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from clew.core.errors import Invalid
from clew.stats.arrays import Codes, Floats, codes_of, floats_of, labels_of, same_length

__all__ = [
    "BinaryCosts",
    "NumberCosts",
    "calibrated_quantile",
    "calibrated_threshold",
    "cheapest_decisions",
    "cost_of_decisions",
    "cost_of_predictions",
    "expected_costs",
]

_ROUNDING = 1e-6
"""So far beyond [0, 1] a mean of probabilities may come by rounding, in single precision too."""


class BinaryCosts(msgspec.Struct, frozen=True, kw_only=True):
    """What the four outcomes of a yes-or-no decision cost, per case.

    `missed`: positive, decided no. `false_alarm`: negative, decided yes. `caught`: positive, decided yes (negative when
    catching earns). `passed`: negative, decided no.
    """

    missed: float
    false_alarm: float
    caught: float = 0.0
    passed: float = 0.0

    @property
    def matrix(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """`matrix[truth][decision]`."""
        return (self.passed, self.false_alarm), (self.missed, self.caught)


class NumberCosts(msgspec.Struct, frozen=True, kw_only=True):
    """What a predicted number costs for each unit that it is too high (`over`) or too low (`under`)."""

    over: float
    under: float


def cost_of_decisions(truth: ArrayLike, decisions: ArrayLike, costs: BinaryCosts | ArrayLike) -> Floats:
    """The cost of each decision.

    Args:
        truth: shape (rows,); 0 or 1 under `BinaryCosts`, class numbers under a matrix.
        decisions: shape (rows,); likewise. There may be more decisions than classes (a "send to a person" column).
        costs: the costs of the four outcomes, or a matrix of shape (classes, decisions): `matrix[truth][decision]`.

    Returns:
        Shape (rows,).

    Raises:
        Invalid: shapes or values make no sense.
    """
    matrix = _matrix(costs)
    if isinstance(costs, BinaryCosts):
        rows = labels_of("truth", truth).astype(np.intp)
        columns = labels_of("decisions", decisions).astype(np.intp)
    else:
        rows = codes_of("truth", truth, size=matrix.shape[0])
        columns = codes_of("decisions", decisions, size=matrix.shape[1])
    same_length(truth=rows, decisions=columns)
    return np.asarray(matrix[rows, columns], dtype=np.float64)


def cost_of_predictions(truth: ArrayLike, predictions: ArrayLike, costs: NumberCosts) -> Floats:
    """The cost of each predicted number: `over` (p - t) where p > t, `under` (t - p) where p < t.

    The pinball loss of quantile regression (Koenker and Bassett, 1978), in money.

    Args:
        truth: shape (rows,).
        predictions: shape (rows,), in the same unit.
        costs: per unit of error; neither negative.

    Raises:
        Invalid: shapes or values make no sense.
    """
    _check_number(costs)
    actual, given = floats_of("truth", truth), floats_of("predictions", predictions)
    same_length(truth=actual, predictions=given)
    error = given - actual
    return np.where(error > 0, costs.over * error, -costs.under * error)


def calibrated_threshold(costs: BinaryCosts) -> float:
    """The probability from which deciding yes costs less than deciding no.

    (false_alarm - passed) / (false_alarm - passed + missed - caught) (Elkan, IJCAI 2001). Right only for calibrated
    probabilities; for any other score see `clew.stats.threshold`.

    Raises:
        Invalid: a right decision costs as much as the wrong one, so that there is nothing to decide.
    """
    alarm, miss = _regrets(costs)
    return alarm / (alarm + miss)


def calibrated_quantile(costs: NumberCosts) -> float:
    """The quantile of the predicted distribution that costs least: under / (over + under), the newsvendor's rule.

    Source: Arrow, Harris and Marschak (Econometrica 19, 1951). 0.5 (the median) where both directions cost the same.

    Raises:
        Invalid: a cost is negative, or both are 0.
    """
    _check_number(costs)
    return costs.under / (costs.over + costs.under)


def expected_costs(probabilities: ArrayLike, decisions: ArrayLike, costs: BinaryCosts | ArrayLike) -> Floats:
    """The cost that each decision is expected to have, before any label: Σ p(class) cost[class][decision].

    Its mean is the *estimated value* of a window. Right as far as the probabilities are calibrated on these rows, which
    only labels can tell.

    Args:
        probabilities: shape (rows,) of the positive class under `BinaryCosts`, else (rows, classes).
        decisions: shape (rows,).
        costs: as in `cost_of_decisions`.

    Returns:
        Shape (rows,).

    Raises:
        Invalid: shapes or values make no sense.
    """
    matrix = _matrix(costs)
    if isinstance(costs, BinaryCosts):
        columns = labels_of("decisions", decisions).astype(np.intp)
    else:
        columns = codes_of("decisions", decisions, size=matrix.shape[1])
    each = _expected(probabilities, matrix)
    same_length(probabilities=each, decisions=columns)
    return each[np.arange(len(columns)), columns]


def cheapest_decisions(probabilities: ArrayLike, costs: BinaryCosts | ArrayLike) -> Codes:
    """The decision with the least expected cost for each row (Bayes' rule; ties go to the lowest number).

    Args:
        probabilities: calibrated; shape (rows,) of the positive class under `BinaryCosts`, else (rows, classes).
        costs: as in `cost_of_decisions`.

    Returns:
        Shape (rows,), decision numbers.

    Raises:
        Invalid: shapes or values make no sense.
    """
    return np.asarray(np.argmin(_expected(probabilities, _matrix(costs)), axis=1), dtype=np.intp)


def _matrix(costs: BinaryCosts | ArrayLike) -> Floats:
    matrix = floats_of("costs", costs.matrix if isinstance(costs, BinaryCosts) else costs, ndim=2)
    if matrix.shape[0] < 2 or matrix.shape[1] < 2:
        raise Invalid(f"a cost matrix of shape {matrix.shape} leaves nothing to decide", hint="matrix[truth][decision]")
    return matrix


def _regrets(costs: BinaryCosts) -> tuple[float, float]:
    """What a false alarm and a miss cost beyond the right decision."""
    alarm, miss = costs.false_alarm - costs.passed, costs.missed - costs.caught
    if not (alarm > 0.0 and miss > 0.0 and math.isfinite(alarm + miss)):
        raise Invalid(
            f"a false alarm costs {alarm:g} and a miss {miss:g} more than the right decision",
            hint="both must be above 0, or one answer is always right",
        )
    return alarm, miss


def _check_number(costs: NumberCosts) -> None:
    if not (costs.over >= 0.0 and costs.under >= 0.0 and 0.0 < costs.over + costs.under < math.inf):
        raise Invalid(f"over = {costs.over!r} and under = {costs.under!r} must not be negative, nor both 0")


def _expected(probabilities: ArrayLike, matrix: Floats) -> Floats:
    """Shape (rows, decisions)."""
    given = np.asarray(probabilities)
    if given.ndim == 1 and matrix.shape[0] == 2:
        p = floats_of("probabilities", given)
        table = np.stack([1.0 - p, p], axis=1)
    else:
        table = floats_of("probabilities", given, ndim=2)
    if table.shape[1] != matrix.shape[0]:
        raise Invalid(f"{table.shape[1]} probabilities in a row and {matrix.shape[0]} classes in the costs")
    if table.size and (table.min() < -_ROUNDING or table.max() > 1.0 + _ROUNDING):
        raise Invalid(f"probabilities reach from {table.min():g} to {table.max():g}", hint="calibrate the scores first")
    return np.asarray(table @ matrix, dtype=np.float64)
