"""The area under the ROC curve: exact, with ties, with intervals by row (DeLong) and by unit (Obuchowski); of several
classes, each against the rest.

The AUC is the probability that a random positive scores above a random negative, ties counting half (Bamber, 1975). It
ranks; it knows neither costs nor calibration: see `clew.stats.value` and `clew.stats.calibration`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from clew.core.errors import Invalid
from clew.stats.arrays import Codes, Flags, Floats, codes_of, counts_of, floats_of, labels_of, level_of, same_length
from clew.stats.intervals import Interval, unit_codes, unit_difference, wilson_limits
from clew.stats.special import normal_quantile, student_t_quantile

__all__ = [
    "auc",
    "auc_by_unit",
    "auc_from_histograms",
    "auc_one_vs_rest",
    "auc_one_vs_rest_by_unit",
    "delong",
    "delong_difference",
]


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
    Processing Letters 21, 2014), on the logit scale, so that it stays inside (0, 1). At an AUC of exactly 0 or 1, or of
    equal scores, that variance is 0; there the score interval with as many trials as the smaller class has rows is
    given, which bounds the variance of any AUC from above (Birnbaum and Klose, 1957).

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
    low, high = _limits(value, variance, z, trials=min(len(of_positives), len(of_negatives)))
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


def auc_by_unit(scores: ArrayLike, labels: ArrayLike, units: ArrayLike, *, level: float = 0.95) -> Interval:
    """The interval of the AUC over rows that are correlated inside units.

    The AUC is the mean placement of the positives and that of the negatives (see `delong`); what a unit does to both is
    added up before it is squared (Obuchowski, Biometrics 53, 1997), corrected for its leverage and with degrees of
    freedom as in `clew.stats.intervals.mean_by_unit`, on the logit scale. Assumes independent units. Without any
    spread the score interval with as many trials as units.

    Args:
        scores: shape (rows,); higher means more likely positive.
        labels: shape (rows,); 0 or 1.
        units: shape (rows,); what names the unit of each row.
        level: coverage, inside (0, 1).

    Raises:
        Invalid: as `delong`, or a class has rows in fewer than two units.
    """
    array, truth = _rows(scores, labels)
    codes, size = unit_codes(units)
    same_length(scores=array, units=codes)
    of_positives, of_negatives = _placements(array, truth)
    value = float(of_positives.mean())
    found = unit_difference(
        _by_unit(of_positives, codes[truth], size), _by_unit(1.0 - of_negatives, codes[~truth], size)
    )
    quantile = -student_t_quantile((1.0 - level_of(level)) / 2.0, found.degrees)
    low, high = _limits(value, found.variance, quantile, trials=found.units)
    return Interval(value=value, low=low, high=high, level=level, units=found.units, method="DeLong by unit")


def auc_one_vs_rest(scores: ArrayLike, truths: ArrayLike) -> float:
    """The mean over classes of the AUC of each class against all others (Provost and Domingos, 2001, unweighted).

    Classes without a row, or without a row of another class, are left out.

    Args:
        scores: shape (rows, classes); higher means more likely of that class.
        truths: shape (rows,); class numbers.

    Raises:
        Invalid: shapes make no sense, or all rows are of one class.
    """
    table, codes, classes = _several(scores, truths)
    return float(np.mean([auc(table[:, at], codes == at) for at in classes]))


def auc_one_vs_rest_by_unit(scores: ArrayLike, truths: ArrayLike, units: ArrayLike, *, level: float = 0.95) -> Interval:
    """The interval of `auc_one_vs_rest` over rows that are correlated inside units.

    Each class's AUC is a mean of placements (see `delong`), and so is the mean over classes: what a row moves it by,
    (placement - AUC) / rows of its side, averaged over the classes, is added up over the unit before it is squared
    (Obuchowski, 1997), times units / (units - 1), with Student's t at units - 1 on the logit scale. Assumes independent
    units. Without any spread the score interval with as many trials as units.

    Args:
        scores: shape (rows, classes); higher means more likely of that class.
        truths: shape (rows,); class numbers.
        units: shape (rows,); what names the unit of each row.
        level: coverage, inside (0, 1).

    Raises:
        Invalid: as `auc_one_vs_rest`, a class has fewer than two rows on a side, or there is one unit only.
    """
    table, truth, classes = _several(scores, truths)
    codes, size = unit_codes(units)
    same_length(scores=truth, units=codes)
    if size < 2:
        raise Invalid("one unit says nothing about how units differ", hint="at least two are needed")
    values, moved = [], np.zeros(len(truth))
    for at in classes:
        ours = truth == at
        of_positives, of_negatives = _placements(table[:, at], ours)
        value = float(of_positives.mean())
        values.append(value)
        moved[ours] += (of_positives - value) / len(of_positives)
        moved[~ours] += (of_negatives - value) / len(of_negatives)
    by_unit = np.bincount(codes, moved / len(classes), size)
    variance = float(by_unit @ by_unit) * size / (size - 1)
    quantile = -student_t_quantile((1.0 - level_of(level)) / 2.0, size - 1)
    value = float(np.mean(values))
    low, high = _limits(value, variance, quantile, trials=size)
    return Interval(value=value, low=low, high=high, level=level, units=size, method="one against the rest, by unit")


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


def _several(scores: ArrayLike, truths: ArrayLike) -> tuple[Floats, Codes, list[int]]:
    """Scores, class numbers, and the classes with rows on both sides."""
    table = floats_of("scores", scores, ndim=2)
    codes = codes_of("truths", truths, size=table.shape[1])
    same_length(scores=table[:, 0], truths=codes)
    counts = np.bincount(codes, minlength=table.shape[1])
    classes = [at for at, count in enumerate(counts.tolist()) if 0 < count < len(codes)]
    if not classes:
        raise Invalid("no AUC of one class against the rest with all rows of one class", hint=f"{len(codes)} rows")
    return table, codes, classes


def _weighted_auc(positives: Floats | Codes, negatives: Floats | Codes) -> float:
    """The AUC of counts by ordered score; both classes are there."""
    below = np.cumsum(negatives) - negatives
    m, n = float(positives.sum()), float(negatives.sum())
    return float(positives @ (below + 0.5 * negatives)) / (m * n)


def _by_unit(placements: Floats, codes: Codes, size: int) -> tuple[Floats, Floats]:
    return np.bincount(codes, placements, size).astype(np.float64), np.bincount(codes, minlength=size).astype(
        np.float64
    )


def _limits(value: float, variance: float, quantile: float, *, trials: int) -> tuple[float, float]:
    """On the logit scale; where the rows show no spread, those of a share of so many trials."""
    if variance <= 0.0:
        return wilson_limits(value, trials, quantile)
    logit, half = math.log(value / (1.0 - value)), quantile * math.sqrt(variance) / (value * (1.0 - value))
    return 1.0 / (1.0 + math.exp(half - logit)), 1.0 / (1.0 + math.exp(-half - logit))


def _placements(scores: Floats, truth: Flags) -> tuple[Floats, Floats]:
    """For each positive the share of negatives below it, for each negative the share of positives above it."""
    positives, negatives = np.sort(scores[truth]), np.sort(scores[~truth])
    if len(positives) < 2 or len(negatives) < 2:
        raise Invalid(f"{len(positives)} positives and {len(negatives)} negatives", hint="DeLong needs two of each")
    ours, theirs = scores[truth], scores[~truth]
    below = (np.searchsorted(negatives, ours, "left") + np.searchsorted(negatives, ours, "right")) / 2.0
    upto = (np.searchsorted(positives, theirs, "left") + np.searchsorted(positives, theirs, "right")) / 2.0
    return below / len(negatives), 1.0 - upto / len(positives)
