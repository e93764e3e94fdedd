"""The area under the ROC curve: exact, with ties, with intervals by row (DeLong) and by unit (bootstrap).

The AUC is the probability that a random positive scores above a random negative, ties counting half (Bamber, 1975). It
ranks; it knows neither costs nor calibration: see `clew.stats.value` and `clew.stats.calibration`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from clew.core.errors import Invalid
from clew.stats.arrays import Codes, Flags, Floats, counts_of, floats_of, labels_of, level_of, same_length
from clew.stats.intervals import Interval, percentile_interval, unit_codes, wilson_limits
from clew.stats.special import normal_quantile

__all__ = ["auc", "auc_by_unit", "auc_from_histograms", "delong", "delong_difference"]


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """The exact AUC, in O(n log n).

    Mann–Whitney: (Σ midranks of positives - m(m+1)/2) / mn.

    Args:
        scores: shape (rows,); higher means more likely positive; infinities are allowed.
        labels: shape (rows,); 0 or 1.

    Raises:
        Invalid: lengths differ, a score is missing, or one class is absent.
    """
    array, truth = _rows(scores, labels)
    tie, size = unit_codes(array)
    return _weighted_auc(np.bincount(tie[truth], minlength=size), np.bincount(tie[~truth], minlength=size))


def delong(scores: ArrayLike, labels: ArrayLike, *, level: float = 0.95) -> Interval:
    """The interval of the AUC for independent rows.

    DeLong's variance of the placement values (Biometrics 44, 1988) by midranks in O(n log n) (Sun and Xu, IEEE Signal
    Processing Letters 21, 2014), on the logit scale, so that it stays inside (0, 1). At an AUC of exactly 0 or 1 that
    variance is 0; there the score interval with as many trials as the smaller class has rows is given, which bounds the
    variance of any AUC from above (Birnbaum and Klose, 1957).

    Args:
        scores: shape (rows,); higher means more likely positive.
        labels: shape (rows,); 0 or 1.
        level: coverage, inside (0, 1).

    Raises:
        Invalid: as `auc`, or a class has fewer than two rows.
    """
    array, truth = _rows(scores, labels)
    z = -normal_quantile((1.0 - level_of(level)) / 2.0)
    of_positives, of_negatives = _placements(array, truth)
    value = float(of_positives.mean())
    variance = of_positives.var(ddof=1) / len(of_positives) + of_negatives.var(ddof=1) / len(of_negatives)
    if variance <= 0.0 or not 0.0 < value < 1.0:
        low, high = wilson_limits(value, min(len(of_positives), len(of_negatives)), z)
    else:
        logit, half = math.log(value / (1.0 - value)), z * math.sqrt(variance) / (value * (1.0 - value))
        low, high = 1.0 / (1.0 + math.exp(half - logit)), 1.0 / (1.0 + math.exp(-half - logit))
    return Interval(value=value, low=low, high=high, level=level, units=len(array), method="DeLong")


def delong_difference(first: ArrayLike, second: ArrayLike, labels: ArrayLike, *, level: float = 0.95) -> Interval:
    """The interval of the AUC of `first` minus that of `second`, scored on the same independent rows (DeLong, 1988).

    Args:
        first: shape (rows,); scores of one model.
        second: shape (rows,); scores of the other.
        labels: shape (rows,); 0 or 1.
        level: coverage, inside (0, 1).

    Raises:
        Invalid: as `delong`.
    """
    (one, truth), (other, _) = _rows(first, labels), _rows(second, labels)
    z = -normal_quantile((1.0 - level_of(level)) / 2.0)
    pairs = zip(_placements(one, truth), _placements(other, truth), strict=True)
    positives, negatives = (a - b for a, b in pairs)
    value = float(positives.mean())
    half = z * math.sqrt(positives.var(ddof=1) / len(positives) + negatives.var(ddof=1) / len(negatives))
    method = "DeLong, paired"
    return Interval(value=value, low=value - half, high=value + half, level=level, units=len(one), method=method)


def auc_by_unit(
    scores: ArrayLike,
    labels: ArrayLike,
    units: ArrayLike,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    replicates: int = 500,
) -> Interval:
    """The interval of the AUC over rows that are correlated inside units: the cluster bootstrap.

    As `clew.stats.intervals.cluster_bootstrap`, but sorted once: each draw is a weighted AUC in O(rows).

    Args:
        scores: shape (rows,); higher means more likely positive.
        labels: shape (rows,); 0 or 1.
        units: shape (rows,); what names the unit of each row.
        rng: the random source.
        level: coverage, inside (0, 1).
        replicates: how many draws.

    Raises:
        Invalid: as `auc`, fewer than two units, or over 5 % of the draws lack a class.
    """
    array, truth = _rows(scores, labels)
    codes, size = unit_codes(units)
    same_length(scores=array, units=codes)
    if size < 2:
        raise Invalid(f"{size} unit: no interval without at least two")
    tie, scores_seen = unit_codes(array)
    sides = [(codes[side], tie[side]) for side in (truth, ~truth)]
    draws = np.array([_drawn_auc(sides, scores_seen, rng.integers(size, size=size)) for _ in range(replicates)])
    return percentile_interval(auc(array, truth), draws, units=size, level=level, method="cluster bootstrap")


def auc_from_histograms(positives: ArrayLike, negatives: ArrayLike) -> Interval:
    """The AUC from two score histograms over the same ordered bins, with the bounds that the binning leaves open.

    Rows of one bin count as ties; the exact AUC lies within ± half of the share of pairs that fall into one bin. That
    is arithmetic, not sampling: the level is 1.

    Args:
        positives: shape (bins,); counts of positives from the lowest bin to the highest.
        negatives: shape (bins,); counts of negatives.

    Raises:
        Invalid: shapes differ, a count is negative, or one class is absent.
    """
    ours, theirs = counts_of("positives", positives), counts_of("negatives", negatives)
    same_length(positives=ours, negatives=theirs)
    m, n = ours.sum(), theirs.sum()
    if m == 0 or n == 0:
        raise Invalid("no AUC without both classes", hint=f"{m:g} positives and {n:g} negatives")
    value = _weighted_auc(ours, theirs)
    open_half = 0.5 * float(ours @ theirs) / (m * n)
    low, high = max(0.0, value - open_half), min(1.0, value + open_half)
    return Interval(value=value, low=low, high=high, level=1.0, units=int(m + n), method="bins")


def _rows(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Flags]:
    array, truth = floats_of("scores", scores, infinite=True), labels_of("labels", labels)
    same_length(scores=array, labels=truth)
    positives = int(truth.sum())
    if positives in (0, len(truth)):
        raise Invalid("no AUC without both classes", hint=f"{positives} positives of {len(truth)} rows")
    return array, truth


def _weighted_auc(positives: Floats | Codes, negatives: Floats | Codes) -> float:
    """The AUC of counts by ordered score; NaN when a class is absent."""
    below = np.cumsum(negatives) - negatives
    m, n = float(positives.sum()), float(negatives.sum())
    return float(positives @ (below + 0.5 * negatives)) / (m * n) if m and n else math.nan


def _drawn_auc(sides: list[tuple[Codes, Codes]], size: int, units: Codes) -> float:
    weight = np.bincount(units, minlength=len(units)).astype(np.float64)
    positives, negatives = (np.bincount(tie, weight[codes], size) for codes, tie in sides)
    return _weighted_auc(positives, negatives)


def _placements(scores: Floats, truth: Flags) -> tuple[Floats, Floats]:
    """For each positive the share of negatives below it, for each negative the share of positives above it."""
    positives, negatives = np.sort(scores[truth]), np.sort(scores[~truth])
    if len(positives) < 2 or len(negatives) < 2:
        raise Invalid(f"{len(positives)} positives and {len(negatives)} negatives", hint="DeLong needs two of each")
    ours, theirs = scores[truth], scores[~truth]
    below = (np.searchsorted(negatives, ours, "left") + np.searchsorted(negatives, ours, "right")) / 2.0
    upto = (np.searchsorted(positives, theirs, "left") + np.searchsorted(positives, theirs, "right")) / 2.0
    return below / len(negatives), 1.0 - upto / len(positives)
