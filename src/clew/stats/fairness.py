"""Whether decisions fall on groups of people alike: rates by group, their gaps and ratios, with intervals.

Demographic parity compares how often a group is decided yes; equal opportunity how often its true positives are
(Hardt, Price and Srebro, 2016); equalised odds that and how often its true negatives are, wrongly. They exclude each
other in general; which matters is the project's choice. A gap of observed rates is above 0 by chance alone: judge its
interval. Groups without the rows that a rate needs are left out and named.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from clew.core.errors import Invalid
from clew.stats.arrays import Codes, Flags, labels_of, level_of, same_length
from clew.stats.intervals import Interval, unit_codes, unit_mean, wilson_limits
from clew.stats.special import student_t_quantile

__all__ = ["FairnessReport", "Gap", "GroupRates", "fairness"]


class GroupRates(msgspec.Struct, frozen=True, kw_only=True):
    """One group: its rows and its rates; a rate is None where the group lacks the rows for it.

    `selection`: decided yes, of all. `true_positive`: decided yes, of the positives. `false_positive`: decided yes, of
    the negatives.
    """

    group: str
    rows: int
    selection: Interval | None
    true_positive: Interval | None
    false_positive: Interval | None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """How far apart groups are: greatest minus least rate (0 is equal), and least over greatest (1 is equal).

    `left_out` are groups that lack the rows for it.
    """

    difference: Interval
    ratio: Interval
    left_out: tuple[str, ...]


class FairnessReport(msgspec.Struct, frozen=True, kw_only=True):
    """The groups in sorted order, and the gaps between them; a gap is None with fewer than two groups to compare.

    `equalised_odds` is the worse of the gaps in true and false positive rates.
    """

    groups: tuple[GroupRates, ...]
    demographic_parity: Gap | None
    equal_opportunity: Gap | None
    equalised_odds: Gap | None


def fairness(
    labels: ArrayLike, decisions: ArrayLike, groups: ArrayLike, *, units: ArrayLike | None = None, level: float = 0.95
) -> FairnessReport:
    """Compare groups.

    Intervals of rates are Wilson's; with units, for the effective number of rows (rate (1 - rate) over the variance of
    the ratio estimator by unit) and Student's quantile with units - 1 degrees of freedom, as Korn and Graubard (Survey
    Methodology 24, 1998); a rate of exactly 0 or 1 counts one row for each unit. Gaps come from the intervals of each
    pair of groups by MOVER (Newcombe, Statistics in Medicine 17, 1998, for differences; Donner and Zou, Statistics in
    Medicine 31, 2012, for ratios), at a level that holds for all pairs together (Bonferroni), so that the choice of the
    worst pair is paid for. Groups are taken as independent of each other, which is cautious where a unit moves all.

    Args:
        labels: shape (rows,), 0 or 1.
        decisions: shape (rows,), 0 or 1.
        groups: shape (rows,), what names the group of each row.
        units: shape (rows,), what names the unit (day, customer) of each row; without it rows are independent.
        level: coverage, inside (0, 1).

    Raises:
        Invalid: lengths differ, a value is neither 0 nor 1, or there are fewer than two units.
    """
    truth, decided = labels_of("labels", labels), labels_of("decisions", decisions)
    codes, size = unit_codes(groups)
    days, count = unit_codes(np.arange(len(codes)) if units is None else units)
    same_length(labels=truth, decisions=decided, groups=codes, units=days)
    if count < 2:
        raise Invalid(f"{count} unit: no interval without at least two")
    members = [codes == group for group in range(size)]
    by_unit = None if units is None else (days, count)
    every = np.ones(len(truth), np.bool_)
    selection, true_positive, false_positive = (
        [_share(member & among, decided, by_unit) for member in members] for among in (every, truth, ~truth)
    )
    names = [str(name) for name in np.unique(np.asarray(groups))]
    return FairnessReport(
        groups=tuple(
            GroupRates(
                group=name,
                rows=int(members[i].sum()),
                selection=_interval(selection[i], level),
                true_positive=_interval(true_positive[i], level),
                false_positive=_interval(false_positive[i], level),
            )
            for i, name in enumerate(names)
        ),
        demographic_parity=_gap([selection], names, level),
        equal_opportunity=_gap([true_positive], names, level),
        equalised_odds=_gap([true_positive, false_positive], names, level),
    )


class _Share(NamedTuple):
    """A proportion, the independent rows that it is worth, and how well its variance is known."""

    value: float
    trials: float
    degrees: float
    units: int

    def limits(self, alpha: float) -> tuple[float, float]:
        return wilson_limits(self.value, self.trials, -student_t_quantile(alpha / 2.0, self.degrees))


def _share(among: Flags, decided: Flags, by_unit: tuple[Codes, int] | None) -> _Share | None:
    """The share of decisions among some rows; None where there are too few."""
    rows = int(among.sum())
    if by_unit is None:
        return _Share(float(decided[among].mean()), rows, math.inf, rows) if rows else None
    codes, count = by_unit
    counts = np.bincount(codes[among], minlength=count)
    if np.count_nonzero(counts) < 2:
        return None
    mean = unit_mean(np.bincount(codes[among & decided], minlength=count), counts)
    spread = mean.value * (1.0 - mean.value)
    trials = min(rows, spread / mean.variance) if spread > 0.0 and mean.variance > 0.0 else mean.units
    return _Share(mean.value, trials, mean.degrees, mean.units)


def _interval(share: _Share | None, level: float) -> Interval | None:
    if share is None:
        return None
    low, high = share.limits(1.0 - level_of(level))
    return Interval(value=share.value, low=low, high=high, level=level, units=share.units, method="wilson")


def _gap(rates: list[list[_Share | None]], names: list[str], level: float) -> Gap | None:
    """The greatest gap in any of the rates, over all pairs of groups that have them."""
    kept = [i for i in range(len(names)) if all(rate[i] is not None for rate in rates)]
    if len(kept) < 2:
        return None
    pairs = [sorted([a, b], key=_value) for rate in rates for a, b in combinations(_some(rate, kept), 2)]
    alpha = (1.0 - level_of(level)) / len(pairs)
    differences = [_difference(less, more, alpha) for less, more in pairs]
    ratios = [_ratio(less, more, alpha) for less, more in pairs]
    units = min(share.units for rate in rates for share in _some(rate, kept))
    return Gap(
        difference=Interval(
            value=max(more.value - less.value for less, more in pairs),
            low=max(0.0, *(low for low, _ in differences)),
            high=min(1.0, max(high for _, high in differences)),
            level=level,
            units=units,
            method="MOVER, all pairs",
        ),
        ratio=Interval(
            value=min(less.value / more.value if more.value else 1.0 for less, more in pairs),
            low=min(low for low, _ in ratios),
            high=min(1.0, *(high for _, high in ratios)),
            level=level,
            units=units,
            method="MOVER, all pairs",
        ),
        left_out=tuple(name for i, name in enumerate(names) if i not in kept),
    )


def _some(rate: list[_Share | None], kept: list[int]) -> list[_Share]:
    return [share for i in kept if (share := rate[i]) is not None]


def _value(share: _Share) -> float:
    return share.value


def _difference(less: _Share, more: _Share, alpha: float) -> tuple[float, float]:
    """Limits of |more - less|; the sign is not known for sure, so the upper one covers both."""
    (a, b), (c, d) = less.limits(alpha), more.limits(alpha)
    gap = more.value - less.value
    low = gap - math.hypot(more.value - c, b - less.value)
    high = gap + math.hypot(d - more.value, less.value - a)
    return low, max(high, -low)


def _ratio(less: _Share, more: _Share, alpha: float) -> tuple[float, float]:
    """Limits of the lesser share over the greater, at most 1."""
    low = _least_ratio(less, more, alpha)
    inverse = _least_ratio(more, less, alpha)
    return min(low, inverse), min(1.0, 1.0 / inverse if inverse > 0.0 else 1.0)


def _least_ratio(top: _Share, bottom: _Share, alpha: float) -> float:
    """The r at which the lower MOVER limit of top - r bottom is 0, by the root that does not cancel."""
    least, greatest = top.limits(alpha)[0], bottom.limits(alpha)[1]
    half, c = top.value * bottom.value, least * (2.0 * top.value - least)
    root = math.sqrt(max(0.0, half * half - greatest * (2.0 * bottom.value - greatest) * c))
    return c / (half + root) if c > 0.0 else 0.0
