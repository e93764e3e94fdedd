"""How far predicted probabilities are from what happens: Brier score, log loss, calibration error.

The Brier score and the log loss are proper: only the true probabilities minimise them. The calibration error is not a
score: a constant prediction can have none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from clew.core.errors import Invalid
from clew.stats.arrays import Codes, Flags, Floats, codes_of, floats_of, labels_of, same_length

__all__ = ["CalibrationTable", "brier", "calibration_error", "calibration_table", "log_loss"]

_SMALLEST = float(np.finfo(np.float64).eps)


class CalibrationTable(NamedTuple):
    """Predicted against realised by bin; all of shape (bins,), lowest predictions first."""

    counts: Floats
    predicted: Floats
    realised: Floats


def brier(probabilities: ArrayLike, outcomes: ArrayLike) -> float:
    """The mean squared distance of the predicted probabilities from what happened (Brier, 1950).

    Args:
        probabilities: shape (rows,) for the positive class, or (rows, classes).
        outcomes: shape (rows,); 0 or 1, or the number of the class. With (rows, classes) the squares of a row are
            summed, as Brier did, so that two classes given in full score twice what the positive class alone does.

    Returns:
        0 (perfect) to 1, or 2 for several classes.

    Raises:
        Invalid: shapes or values make no sense.
    """
    given = np.asarray(probabilities)
    if given.ndim == 1:
        p, truth = _binary(given, outcomes)
        return float(np.mean((p - truth) ** 2))
    table, classes = _several(given, outcomes)
    hit = table[np.arange(len(classes)), classes]
    return float(np.mean((table**2).sum(axis=1) - 2.0 * hit + 1.0))


def log_loss(probabilities: ArrayLike, outcomes: ArrayLike) -> float:
    """The mean of -log of the probability that was given to what happened, in nats (Good, 1952).

    Probabilities are kept 2.2e-16 away from 0 and 1, so that one impossible event costs 36 nats and not infinity.

    Args:
        probabilities: shape (rows,) for the positive class, or (rows, classes).
        outcomes: shape (rows,); 0 or 1, or the number of the class.

    Raises:
        Invalid: shapes or values make no sense.
    """
    given = np.asarray(probabilities)
    if given.ndim == 1:
        p, truth = _binary(given, outcomes)
        hit = np.where(truth, p, 1.0 - p)
    else:
        table, classes = _several(given, outcomes)
        hit = table[np.arange(len(classes)), classes]
    return float(-np.mean(np.log(np.clip(hit, _SMALLEST, 1.0 - _SMALLEST))))


def calibration_table(probabilities: ArrayLike, outcomes: ArrayLike, *, bins: int = 15) -> CalibrationTable:
    """Predicted against realised in bins of (nearly) equally many rows; equal predictions share a bin.

    Args:
        probabilities: shape (rows,), of the positive class.
        outcomes: shape (rows,); 0 or 1.
        bins: at most how many, at least 1.

    Raises:
        Invalid: shapes or values make no sense.
    """
    if bins < 1:
        raise Invalid(f"bins = {bins} must be at least 1")
    p, truth = _binary(np.asarray(probabilities), outcomes)
    order = np.argsort(p, kind="stable")
    ranked = p[order]
    first_of_tie = np.searchsorted(ranked, ranked, "left")
    _, code = np.unique(first_of_tie * bins // len(ranked), return_inverse=True)
    counts = np.bincount(code).astype(np.float64)
    predicted = np.bincount(code, ranked) / counts
    return CalibrationTable(counts, predicted, np.bincount(code, truth[order]) / counts)


def calibration_error(probabilities: ArrayLike, outcomes: ArrayLike, *, bins: int = 15) -> float:
    """The expected calibration error: Σ share of bin x |predicted - realised| (Naeini, Cooper and Hauskrecht, 2015).

    In bins of equally many rows (Nguyen and O'Connor, 2015). Noise alone makes it about 0.8 √(bins p(1-p)/rows), so
    compare it only at equal rows and bins.

    Args:
        probabilities: shape (rows,), of the positive class.
        outcomes: shape (rows,); 0 or 1.
        bins: at most how many.

    Returns:
        0 (calibrated) to 1.

    Raises:
        Invalid: shapes or values make no sense.
    """
    table = calibration_table(probabilities, outcomes, bins=bins)
    return float(table.counts @ np.abs(table.predicted - table.realised) / table.counts.sum())


def _binary(given: ArrayLike, outcomes: ArrayLike) -> tuple[Floats, Flags]:
    p, truth = floats_of("probabilities", given), labels_of("outcomes", outcomes)
    same_length(probabilities=p, outcomes=truth)
    _are_probabilities(p)
    return p, truth


def _several(given: ArrayLike, outcomes: ArrayLike) -> tuple[Floats, Codes]:
    table = floats_of("probabilities", given, ndim=2)
    classes = codes_of("outcomes", outcomes, size=table.shape[1])
    same_length(probabilities=table, outcomes=classes)
    _are_probabilities(table)
    if np.abs(table.sum(axis=1) - 1.0).max() > 1e-3:
        raise Invalid("the probabilities of a row do not add up to 1", hint="give one column for each class")
    return table, classes


def _are_probabilities(p: Floats) -> None:
    if p.min() < 0.0 or p.max() > 1.0:
        raise Invalid(f"probabilities reach from {p.min():g} to {p.max():g}", hint="calibrate the scores first")
