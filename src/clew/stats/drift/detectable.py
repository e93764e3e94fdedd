"""How large a drift must be to be seen: the threshold of the effect, learned from the reference at the window's size.

"A distance above 0.2 is a drift" is noise at a thousand rows and blind at a million. Here the threshold follows from
the number of rows, the reference's size and how much its days differ.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from clew.core.errors import Invalid
from clew.stats.arrays import counts_of
from clew.stats.drift.design import Design
from clew.stats.drift.homogeneity import Null, null_of
from clew.stats.drift.pool import pool, pooled
from clew.stats.quadratic import weighted_chi_square_critical
from clew.stats.root import find_root
from clew.stats.special import chi_square_sf

__all__ = ["Sight", "sight_of"]


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What a test of windows of this size sees, as Jensen–Shannon distances (0 to 1).

    `noise` is what to expect without drift, `critical` what a window must show to be called drifted, `detectable` the
    true distance that is found with the power asked for.
    """

    noise: float
    critical: float
    detectable: float


def sight_of(
    reference: ArrayLike,
    rows: int,
    *,
    ordered: bool,
    alpha: float,
    power: float = 0.9,
    design: Design | None = None,
    window_units: int = 1,
) -> Sight:
    """What drift a window of so many rows shows.

    For small drifts every such distance is one quadratic form: JS² ln 2 ≈ χ²/8 with χ² = Σ (q - p)²/p (Csiszár and
    Shields, 2004, §4), and G ≈ χ² / (1/m + 1/n). So the critical G of `drift_test` gives the critical distance. Under a
    drift χ² the mean of G is Σw + χ²/(1/m + 1/n) and its variance at most 2Σw² + 4 max(w) times that; a scaled
    chi-square with these two moments (Patnaik, Biometrika 36, 1949) gives the power. Good to a few per cent up to a
    distance of about 0.4, capped at 1.

    Args:
        reference: counts, shape (bins,), the last one of missing values.
        rows: of the window, at least 1.
        ordered: as in `drift_test`.
        alpha: the p-value from which a window is called drifted, inside (0, 1).
        power: the probability with which a drift of `detectable` is found, above alpha and below 1.
        design: as in `drift_test`.
        window_units: as in `drift_test`.

    Raises:
        Invalid: the reference is empty or has one bin only, or an argument is out of range.
    """
    if not (rows >= 1 and 0.0 < alpha < power < 1.0):
        raise Invalid(f"rows = {rows!r}, alpha = {alpha!r}, power = {power!r}", hint="alpha and power inside (0, 1)")
    counts = counts_of("reference", reference)
    m = float(counts.sum())
    groups = pooled(counts, pool(counts, min(m, rows), ordered=ordered))
    directions = max(1, int(np.count_nonzero(groups)) - 1)
    null = null_of(directions, m, rows, design=design, window_units=window_units)
    critical = weighted_chi_square_critical(alpha, null.weights, denominator_df=null.denominator_df)
    scale = 1.0 / m + 1.0 / rows
    return Sight(
        noise=_distance(sum(null.weights) * scale),
        critical=_distance(critical * scale),
        detectable=_distance(_found(critical, null, power) * scale),
    )


def _distance(chi_square: float) -> float:
    return min(1.0, math.sqrt(chi_square / (8.0 * math.log(2.0))))


def _found(critical: float, null: Null, power: float) -> float:
    """The non-centrality at which G exceeds the critical value with this probability."""
    mean, square, top = sum(null.weights), sum(w * w for w in null.weights), max(null.weights)

    def lacking(away: float) -> float:
        centre, half_variance = mean + away, square + 2.0 * top * away
        return chi_square_sf(critical * centre / half_variance, centre * centre / half_variance) - power

    high = critical
    while lacking(high) < 0.0:
        high *= 2.0
    return find_root(lacking, 0.0, high, relative=1e-6) if lacking(0.0) < 0.0 else 0.0
