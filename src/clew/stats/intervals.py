"""Intervals of proportions, means and differences, by the unit whose rows are correlated.

Rows of one day or customer are not independent; what is counted here as evidence is the unit. Sequential intervals,
which may be looked at after each unit, are in `clew.stats.sequential`; these are for one look.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from clew.core.errors import Invalid
from clew.stats.arrays import Codes, Floats, counts_of, floats_of, level_of, same_length
from clew.stats.interval import Interval
from clew.stats.special import normal_quantile, student_t_quantile

__all__ = [
    "Interval",
    "UnitMean",
    "UnitSums",
    "cluster_bootstrap",
    "mean_by_unit",
    "paired_by_unit",
    "percentile_interval",
    "sum_by_unit",
    "unit_codes",
    "unit_difference",
    "unit_mean",
    "wilson",
    "wilson_limits",
]

_UNDEFINED_SHARE = 0.05


class UnitMean(NamedTuple):
    """A mean by unit: its variance, and Satterthwaite's degrees of freedom of that."""

    value: float
    variance: float
    degrees: float
    units: int

    def interval(self, level: float, method: str) -> Interval:
        """Student's interval."""
        half = -student_t_quantile((1.0 - level_of(level)) / 2.0, self.degrees) * math.sqrt(self.variance)
        low, high = self.value - half, self.value + half
        return Interval(value=self.value, low=low, high=high, level=level, units=self.units, method=method)


class UnitSums(NamedTuple):
    """Sums and counts of rows by unit, both of shape (units,)."""

    sums: Floats
    counts: Floats


def unit_codes(units: ArrayLike) -> tuple[Codes, int]:
    """Number the units of rows.

    Args:
        units: shape (rows,); what names the unit of each row: days, customers, integers or strings.

    Returns:
        The number of each row's unit, from 0, in sorted order of the names; and how many units there are.

    Raises:
        Invalid: not one axis.
    """
    array = np.asarray(units)
    if array.ndim != 1:
        raise Invalid(f"units have shape {array.shape}, not one axis")
    names, codes = np.unique(array, return_inverse=True)
    return codes.astype(np.intp, copy=False), len(names)


def sum_by_unit(values: ArrayLike, units: ArrayLike) -> UnitSums:
    """Sum rows by unit.

    Args:
        values: shape (rows,).
        units: shape (rows,); what names the unit of each row.

    Raises:
        Invalid: lengths differ, there are no rows, or a value is not finite.
    """
    array = floats_of("values", values)
    codes, size = unit_codes(units)
    same_length(values=array, units=codes)
    sums = np.bincount(codes, array, size).astype(np.float64, copy=False)
    return UnitSums(sums, np.bincount(codes, minlength=size).astype(np.float64))


def wilson_limits(share: float, trials: float, z: float) -> tuple[float, float]:
    """The score limits of a proportion for a normal quantile z; `trials` may be an effective number, not whole."""
    square = z * z / trials
    middle = (share + square / 2.0) / (1.0 + square)
    half = z * math.sqrt(share * (1.0 - share) / trials + square / (4.0 * trials)) / (1.0 + square)
    return (0.0 if share <= 0.0 else max(0.0, middle - half)), (1.0 if share >= 1.0 else min(1.0, middle + half))


def wilson(successes: float, trials: float, *, level: float = 0.95) -> Interval:
    """The score interval of a proportion from independent trials (Wilson, JASA 22, 1927).

    Where the normal approximation of the test of p, not of the estimate, just accepts:
    (p̂ + z²/2n ± z √(p̂(1-p̂)/n + z²/4n²)) / (1 + z²/n). Good from a handful of trials on, and at 0 and 1.

    Args:
        successes: how many, 0 to `trials`.
        trials: how many independent trials, above 0.
        level: coverage, inside (0, 1).

    Raises:
        Invalid: counts or level are out of range.
    """
    if not (0 <= successes <= trials and 0 < trials < math.inf):
        raise Invalid(f"{successes!r} successes of {trials!r} trials")
    z = -normal_quantile((1.0 - level_of(level)) / 2.0)
    share = successes / trials
    low, high = wilson_limits(share, trials, z)
    return Interval(value=share, low=low, high=high, level=level, units=int(trials), method="wilson")


def mean_by_unit(sums: ArrayLike, counts: ArrayLike, *, level: float = 0.95) -> Interval:
    """The interval of a mean over rows that are correlated inside units.

    Ratio estimator R = Σs/Σn over units (Cochran, Sampling Techniques, 1977, §6). Its variance is the cluster-robust
    one with the leverage correction CR2 (Bell and McCaffrey, Survey Methodology 28, 2002), which for a mean is
    Σ rᵤ² / (1 - nᵤ/N) / N² with residuals rᵤ = sᵤ - R nᵤ; t quantile with Satterthwaite's degrees of freedom for that
    variance when rows of a unit move together (same source). With units of one size these are units - 1 and this is
    Student's interval of the unit means; uneven units have fewer. Assumes independent units; units without rows do not
    count.

    Args:
        sums: shape (units,), the sum of the values in each unit.
        counts: shape (units,), the rows in each unit.
        level: coverage, inside (0, 1).

    Raises:
        Invalid: fewer than two units with rows, or shapes or values that make no sense.
    """
    return unit_mean(sums, counts).interval(level, "mean by unit")


def unit_mean(sums: ArrayLike, counts: ArrayLike) -> UnitMean:
    """The mean, variance and degrees of freedom behind `mean_by_unit`, whose arguments and errors it shares."""
    totals, sizes = _sides("unit", (sums, counts))
    totals, sizes = totals[sizes > 0], sizes[sizes > 0]
    ratio, pull = _influence(totals, sizes)
    return _unit_mean(ratio, pull, sizes / sizes.sum())


def paired_by_unit(
    first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike], *, level: float = 0.95
) -> Interval:
    """The interval of the mean of `first` minus the mean of `second`, paired by unit.

    The influence of each unit on both means is subtracted before it is squared, so that what a unit does to both (a bad
    day) cancels; each influence is corrected for its leverage as in `mean_by_unit`. With the same rows on both sides it
    equals `mean_by_unit` of the row-wise differences.

    Args:
        first: (sums, counts), each of shape (units,).
        second: the same of the other side, in the same order of units. A unit may lack rows on one side.
        level: coverage, inside (0, 1).

    Raises:
        Invalid: sides of different length, or fewer than two units with rows on a side.
    """
    return unit_difference(first, second).interval(level, "paired by unit")


def unit_difference(first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike]) -> UnitMean:
    """What is behind `paired_by_unit`, whose arguments and errors it shares."""
    totals, sizes = _sides("first", first)
    others, other_sizes = _sides("second", second)
    same_length(first=totals, second=others)
    ratio, pull = _influence(totals, sizes)
    other_ratio, other_pull = _influence(others, other_sizes)
    seen = (sizes > 0) | (other_sizes > 0)
    shares = 0.5 * (sizes / sizes.sum() + other_sizes / other_sizes.sum())[seen]
    return _unit_mean(ratio - other_ratio, (pull - other_pull)[seen], shares)


def cluster_bootstrap(
    statistic: Callable[[Codes], float],
    units: ArrayLike,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    replicates: int = 999,
) -> Interval:
    """The interval of any statistic, drawing whole units with replacement.

    Percentile interval (Efron, 1979; Field and Welsh, JRSS B 69, 2007, for units), its tails widened as Hesterberg (The
    American Statistician 69, 2015, §5.4) does for few units: tail Φ(-√(U/(U-1)) t), t the Student quantile with U - 1
    degrees of freedom. Assumes independent units and a statistic that is smooth in their weights; no extremes.

    Args:
        statistic: maps row numbers (with repeats) to a number; may return NaN where a draw leaves it undefined.
        units: shape (rows,); what names the unit of each row.
        rng: the random source; the same one gives the same interval.
        level: coverage, inside (0, 1).
        replicates: how many draws, at least 100.

    Raises:
        Invalid: fewer than two units, too few replicates, or over 5 % of the draws undefined.
    """
    codes, size = unit_codes(units)
    _enough(size)
    if replicates < 100:
        raise Invalid(f"replicates = {replicates} are too few for an interval", hint="999 are usual")
    order = np.argsort(codes, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(codes, minlength=size))[:-1])
    draws = np.array(
        [statistic(np.concatenate([rows[u] for u in rng.integers(size, size=size)])) for _ in range(replicates)]
    )
    value = statistic(np.arange(len(codes)))
    return percentile_interval(value, draws, units=size, level=level, method="cluster bootstrap")


def percentile_interval(value: float, draws: Floats, *, units: int, level: float, method: str) -> Interval:
    """The widened percentile interval of bootstrap draws; see `cluster_bootstrap`.

    Args:
        value: the statistic of the sample.
        draws: shape (replicates,); NaN where a draw left it undefined.
        units: how many units were drawn from, at least 2.
        level: coverage, inside (0, 1).
        method: what the interval is called.

    Raises:
        Invalid: over 5 % of the draws are undefined.
    """
    defined = draws[~np.isnan(draws)]
    if len(defined) < (1.0 - _UNDEFINED_SHARE) * len(draws):
        raise Invalid(
            f"{len(draws) - len(defined)} of {len(draws)} draws leave the statistic undefined",
            hint="too few units hold what it needs",
        )
    t = student_t_quantile((1.0 - level_of(level)) / 2.0, units - 1)
    tail = 0.5 * math.erfc(-t * math.sqrt(units / (units - 1) / 2.0))
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return Interval(value=float(value), low=float(low), high=float(high), level=level, units=units, method=method)


def _enough(units: int) -> None:
    if units < 2:
        raise Invalid(f"{units} unit: no interval without at least two", hint="wait for more days, or use a finer unit")


def _sides(name: str, side: tuple[ArrayLike, ArrayLike]) -> tuple[Floats, Floats]:
    totals, sizes = floats_of(f"{name} sums", side[0]), counts_of(f"{name} counts", side[1])
    same_length(sums=totals, counts=sizes)
    return totals, sizes


def _influence(totals: Floats, sizes: Floats) -> tuple[float, Floats]:
    """The ratio of the sums, and how far each unit pulls it, corrected for leverage."""
    _enough(int((sizes > 0).sum()))
    n = sizes.sum()
    ratio = totals.sum() / n
    return float(ratio), (totals - ratio * sizes) / (n * np.sqrt(1.0 - sizes / n))


def _degrees(shares: Floats) -> float:
    """Satterthwaite's tr(M)² / tr(M²), M the quadratic form of the variance in the unit means: A'DA, A = W - ww'.

    M = diag(g) - wg' - gw' + cww' with g = w²/(1 - w) and c = Σ w²/(1 - w), so that nothing of size units² is made.
    """
    w, g = shares, shares**2 / (1.0 - shares)
    c, ww, wg, gg = g.sum(), w @ w, w @ g, g @ g
    trace = c - 2.0 * wg + c * ww
    cross = -2.0 * (w @ g**2) + c * (w**2 @ g)
    rest = 2.0 * ww * gg + 2.0 * wg**2 - 4.0 * c * wg * ww + (c * ww) ** 2
    return float(trace**2 / (gg + 2.0 * cross + rest))


def _unit_mean(value: float, pull: Floats, shares: Floats) -> UnitMean:
    return UnitMean(value, float(pull @ pull), _degrees(shares), len(pull))
