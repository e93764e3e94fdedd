"""The test of drift: could window and reference be draws from one distribution?

Takes the reference's own finite sample and the correlation of rows inside units into account. It is one look at one
column; over many columns and looks use `clew.stats.alarms`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from clew.core.errors import Invalid
from clew.stats.arrays import Floats, counts_of, same_length
from clew.stats.drift.design import Design, independent_rows
from clew.stats.drift.effects import jensen_shannon_of_shares
from clew.stats.drift.pool import pool, pooled
from clew.stats.quadratic import weighted_chi_square_sf

__all__ = ["Drift", "Null", "drift_test", "drift_tests", "likelihood_ratio", "null_of"]

_ENOUGH_EXPECTED = 5.0


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison of a window with the reference.

    `statistic` is the likelihood ratio G, `directions` how many ways the pooled bins can differ, `p_value` the
    probability of so great a statistic without drift, `effect` the Jensen–Shannon distance (0 to 1) over the pooled
    bins, `rows` the window's.
    """

    statistic: float
    directions: int
    p_value: float
    effect: float
    rows: int


class Null(NamedTuple):
    """What G follows without drift: Σ weightᵢ χ²₁, over an estimated scale with `denominator_df` degrees of freedom."""

    weights: tuple[float, ...]
    denominator_df: float


def drift_test(
    reference: ArrayLike, window: ArrayLike, *, ordered: bool, design: Design | None = None, window_units: int = 1
) -> Drift:
    """Test whether a window's counts come from the reference's distribution.

    G = 2 Σ O ln(O/E) of the 2 x bins table of reference and window, thin bins joined (`pool`), with Williams'
    correction (Biometrika 63, 1976). G and not Pearson's statistic, because its tail stays right for rare bins: at 5
    expected rows and p = 1e-6 Pearson's is 70 times too small. Its distribution is that of Rao and Scott (JASA 76,
    1981; Annals of Statistics 12, 1984): a sum of chi-squares weighted by the design effects, evaluated far into the
    tail (`clew.stats.quadratic`). Their first-order correction, one average design effect, is refused: when units
    differ in few directions, as days do whose mean moves, it alarms a hundred times too often at p = 1e-4.

    Args:
        reference: counts, shape (bins,), the last one of missing values; layouts as in `clew.stats.histogram`.
        window: counts over the same bins.
        ordered: whether neighbouring bins are alike (numbers) or not (categories).
        design: of this column, from `design_effect`; without it rows are taken as independent.
        window_units: how many units (days) the window spans, at least 1.

    Raises:
        Invalid: shapes differ, a side is empty, or an argument makes no sense.
    """
    theirs = counts_of("window", window)
    [found] = drift_tests(reference, theirs[None, :], ordered=ordered, design=design, window_units=[window_units])
    return found


def drift_tests(
    reference: ArrayLike,
    windows: ArrayLike,
    *,
    ordered: bool,
    design: Design | None = None,
    window_units: Sequence[int],
) -> list[Drift]:
    """`drift_test` of several windows against one reference, in one pass over those whose bins are pooled alike.

    Args:
        reference: as in `drift_test`.
        windows: counts, shape (windows, bins).
        ordered: as in `drift_test`.
        design: as in `drift_test`.
        window_units: of each window.

    Raises:
        Invalid: as `drift_test`.
    """
    ours, theirs = counts_of("reference", reference), counts_of("windows", windows, ndim=2)
    same_length(reference=ours, windows=theirs.T)
    m, rows = float(ours.sum()), theirs.sum(axis=1)
    if m == 0.0 or (rows == 0.0).any():
        raise Invalid(f"{m:g} rows in the reference and {rows.min():g} in the window cannot be compared")
    groupings = [pool(ours, min(m, n), ordered=ordered) for n in rows.tolist()]
    found: dict[int, Drift] = {}
    for grouping in {groups.tobytes(): groups for groups in groupings}.values():
        alike = [i for i, groups in enumerate(groupings) if np.array_equal(groups, grouping)]
        left, right = pooled(ours, grouping), pooled(theirs[alike], grouping)
        statistics, directions = likelihood_ratio(left, right)
        effects = jensen_shannon_of_shares(left / m, right / rows[alike, None])
        measured = zip(alike, statistics.tolist(), directions.tolist(), effects.tolist(), strict=True)
        for i, statistic, free, effect in measured:
            null = null_of(free, m, float(rows[i]), design=design, window_units=window_units[i])
            p_value = weighted_chi_square_sf(statistic, null.weights, denominator_df=null.denominator_df)
            found[i] = Drift(
                statistic=statistic,
                directions=free,
                p_value=p_value if free else 1.0,
                effect=effect,
                rows=int(rows[i]),
            )
    return [found[i] for i in range(len(groupings))]


def likelihood_ratio(reference: Floats, window: Floats) -> tuple[Floats, Floats]:
    """G with Williams' correction, and its directions, for one table or many.

    The correction is made for the bins with at least 5 expected rows on both sides, where its expansion holds.

    Args:
        reference: pooled counts, shape (..., groups).
        window: likewise; leading axes are broadcast.

    Returns:
        G and the number of directions (bins seen on either side, minus one), each of the leading shape.
    """
    both = reference + window
    m, n = reference.sum(axis=-1), window.sum(axis=-1)
    total = m + n
    with np.errstate(divide="ignore", invalid="ignore"):
        g = 2.0 * (
            np.where(window > 0, window * np.log(window * (total / n)[..., None] / both), 0.0).sum(axis=-1)
            + np.where(reference > 0, reference * np.log(reference * (total / m)[..., None] / both), 0.0).sum(axis=-1)
        )
        thick = both * (np.minimum(m, n) / total)[..., None] >= _ENOUGH_EXPECTED
        inverse = np.where(thick, total[..., None] / both, 0.0).sum(axis=-1)
    directions = (both > 0).sum(axis=-1) - 1
    excess = np.maximum(inverse - 1.0, 0.0) * (total / n + total / m - 1.0)
    return np.maximum(g, 0.0) / (1.0 + excess / (6.0 * total * np.maximum(directions, 1))), directions


def null_of(directions: int, m: float, n: float, *, design: Design | None = None, window_units: int = 1) -> Null:
    """The distribution of G without drift.

    Weight in a direction with intra-unit correlation ρ: the variance of the difference of shares between units of m/U
    rows and units of n/W rows, over that of independent rows. The weights were estimated from U units; the scale's
    degrees of freedom are (U - 1) w/(w - 1) with w the greatest weight, whose direction the far tail belongs to: U - 1
    where it is all correlation, infinite where there is none. (Satterthwaite squares w/(w - 1); in simulations of days
    whose mean moves that let 10 to 30 % of monitors of 50 columns raise a false alarm in 100 days, this 1 to 3 %.)

    Args:
        directions: of G.
        m: rows of the reference.
        n: rows of the window.
        design: of the column.
        window_units: units in the window.

    Raises:
        Invalid: `window_units` is below 1.
    """
    if window_units < 1:
        raise Invalid(f"window_units = {window_units} must be at least 1")
    design = design or independent_rows()
    given = design.correlations[: max(1, directions)]
    if not given:
        return Null((1.0,) * max(1, directions), math.inf)
    alone = 1.0 / m + 1.0 / n
    together = max(0.0, 1.0 / design.units - 1.0 / m) + max(0.0, 1.0 / window_units - 1.0 / n)
    rho = given + (given[-1],) * (max(1, directions) - len(given))
    extra = [r * together / alone for r in rho]
    weights = tuple(1.0 + e for e in extra)
    if weights[0] <= 1.0:
        return Null(weights, math.inf)
    return Null(weights, (design.units - 1) * weights[0] / (weights[0] - 1.0))
