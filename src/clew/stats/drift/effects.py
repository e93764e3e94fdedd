"""Distances between two histograms over the same bins: how large a drift is, whatever the number of rows.

Estimates from n rows lie above 0 even without drift (by about √(bins/n)); whether one is more than noise is what
`clew.stats.drift.homogeneity` says.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from clew.core.errors import Invalid
from clew.stats.arrays import Floats, counts_of, floats_of, same_length

__all__ = ["hellinger", "jensen_shannon", "jensen_shannon_of_shares", "psi", "total_variation", "wasserstein"]


def jensen_shannon(reference: ArrayLike, window: ArrayLike) -> float:
    """The Jensen–Shannon distance, √(½ KL(p‖m) + ½ KL(q‖m)) in bits with m = (p + q)/2 (Endres and Schindelin, 2003).

    Args:
        reference: counts, shape (bins,).
        window: counts over the same bins.

    Returns:
        0 (equal) to 1 (no bin in common); a metric.

    Raises:
        Invalid: shapes differ, a count is negative, or one side is empty.
    """
    return float(jensen_shannon_of_shares(*_shares(reference, window)))


def jensen_shannon_of_shares(p: Floats, q: Floats) -> Floats:
    """`jensen_shannon` of shares that are known to be sound, shape (..., bins); leading axes are broadcast."""
    both = np.where(p + q > 0, p + q, 1.0)
    bits = p * np.log2(np.where(p > 0, 2.0 * p, both) / both) + q * np.log2(np.where(q > 0, 2.0 * q, both) / both)
    return np.asarray(np.sqrt(np.clip(0.5 * bits.sum(axis=-1), 0.0, 1.0)))


def hellinger(reference: ArrayLike, window: ArrayLike) -> float:
    """The Hellinger distance, √(½ Σ (√p - √q)²) (Hellinger, 1909); 0 to 1, a metric.

    Args and errors as `jensen_shannon`.
    """
    p, q = _shares(reference, window)
    return float(np.sqrt(0.5 * ((np.sqrt(p) - np.sqrt(q)) ** 2).sum()))


def total_variation(reference: ArrayLike, window: ArrayLike) -> float:
    """The total variation, ½ Σ |p - q|: the share of rows that would have to move; 0 to 1, a metric.

    Args and errors as `jensen_shannon`.
    """
    p, q = _shares(reference, window)
    return float(0.5 * np.abs(p - q).sum())


def psi(reference: ArrayLike, window: ArrayLike) -> float:
    """The population stability index, Σ (q - p) ln(q/p) (Siddiqi, Credit Risk Scorecards, 2006), for those used to it.

    Half a row is added to each bin on both sides, because it is infinite at an empty bin. It has no fixed scale:
    without drift it is about bins (1/n + 1/m), so that "0.2 is a shift" is noise at few rows and blind at many.

    Args and errors as `jensen_shannon`.
    """
    ours, theirs = counts_of("reference", reference), counts_of("window", window)
    p, q = _shares(ours + 0.5, theirs + 0.5)
    _shares(ours, theirs)
    return float(((q - p) * np.log(q / p)).sum())


def wasserstein(reference: ArrayLike, window: ArrayLike, edges: Floats) -> float:
    """The first Wasserstein distance of a numeric column, in standard deviations of the reference.

    ∫ |F - G| dx (Vallender, 1974), taking rows as evenly spread inside each bin; rows of an outer bin are placed on the
    outer edge, so that what lies far outside counts as just outside. A pure shift by 0.2 standard deviations is 0.2.
    Missing values are left out.

    Args:
        reference: counts of numbers (`clew.stats.histogram`), shape (k + 2,).
        window: counts over the same bins.
        edges: shape (k,), k at least 2.

    Returns:
        0 or more; 0 when the reference has one value only and the window too, infinite when it has left it.

    Raises:
        Invalid: shapes do not fit, a count is negative, or a side has no values.
    """
    cuts = floats_of("edges", edges)
    ours, theirs = counts_of("reference", reference), counts_of("window", window)
    if len(cuts) < 2 or len(ours) != len(cuts) + 2:
        raise Invalid(f"{len(ours)} counts do not fit {len(cuts)} edges", hint="k edges, at least 2, make k + 2 counts")
    p, q = _shares(ours[:-1], theirs[:-1])
    gap = np.cumsum(p - q)[:-1]  # F - G at each edge
    area = float((np.diff(cuts) * _mean_absolute(gap[:-1], gap[1:])).sum())
    scale = _deviation(p, cuts)
    if area <= 0.0:
        return 0.0
    return area / scale if scale > 0.0 else float("inf")


def _shares(reference: ArrayLike, window: ArrayLike) -> tuple[Floats, Floats]:
    ours, theirs = counts_of("reference", reference), counts_of("window", window)
    same_length(reference=ours, window=theirs)
    m, n = ours.sum(), theirs.sum()
    if m == 0 or n == 0:
        raise Invalid(f"{m:g} rows in the reference and {n:g} in the window cannot be compared")
    return ours / m, theirs / n


def _mean_absolute(a: Floats, b: Floats) -> Floats:
    """The mean of |x| where x goes straight from a to b."""
    size = np.abs(a) + np.abs(b)
    crossing = np.divide(a * a + b * b, 2.0 * size, out=np.zeros_like(size), where=size > 0)
    return np.where(a * b >= 0.0, 0.5 * size, crossing)


def _deviation(shares: Floats, cuts: Floats) -> float:
    """The standard deviation of rows spread evenly inside their bins."""
    middles = np.concatenate([cuts[:1], 0.5 * cuts[:-1] + 0.5 * cuts[1:], cuts[-1:]])
    widths = np.concatenate([[0.0], np.diff(cuts), [0.0]])
    mean = shares @ middles
    return float(np.sqrt(shares @ ((middles - mean) ** 2 + widths**2 / 12.0)))
