"""The threshold of a score that would have cost least, learned from scores and labels.

Needs no calibration. A row is decided positive when its score is at or above the threshold. The costs are those of
`clew.stats.value`; the threshold of a calibrated probability needs no data and is there.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from clew.core.errors import Invalid
from clew.stats.arrays import Codes, Flags, Floats, floats_of, labels_of, same_length
from clew.stats.intervals import Interval, mean_by_unit, percentile_interval, sum_by_unit, unit_codes
from clew.stats.value import BinaryCosts, calibrated_threshold, cost_of_decisions

__all__ = ["Threshold", "ThresholdByUnit", "best_threshold", "best_threshold_by_unit"]


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """The cheapest threshold and the mean cost per row that it had on the very rows it was learned from."""

    value: float
    cost: float
    rows: int


class ThresholdByUnit(msgspec.Struct, frozen=True, kw_only=True):
    """The cheapest threshold, how well the units determine it, and what to expect of it on other rows.

    `cost` is the mean cost per row, raised by `optimism`: what a threshold loses outside of the rows it was learned
    from.
    """

    threshold: Interval
    cost: Interval
    optimism: float


def best_threshold(scores: ArrayLike, labels: ArrayLike, costs: BinaryCosts) -> Threshold:
    """The threshold with the least cost on these rows, exact, in O(n log n).

    Every cut between two distinct scores is tried, deciding all positive and none positive too. The threshold lies
    half-way between the scores it separates; of equally cheap cuts the one with the fewest positives is taken.

    Args:
        scores: shape (rows,); higher means more likely positive; finite.
        labels: shape (rows,); 0 or 1. One class may be absent.
        costs: what the four outcomes cost.

    Raises:
        Invalid: lengths differ, a value makes no sense, or a wrong decision costs no more than the right one.
    """
    ranked = _Ranked(scores, labels, costs)
    positives, negatives = ranked.count()
    curve = ranked.curve(positives, negatives)
    cut = _cheapest(curve)
    return Threshold(value=ranked.threshold(cut), cost=float(curve[cut] / ranked.rows), rows=ranked.rows)


def best_threshold_by_unit(
    scores: ArrayLike,
    labels: ArrayLike,
    units: ArrayLike,
    costs: BinaryCosts,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    replicates: int = 300,
) -> ThresholdByUnit:
    """The cheapest threshold with its interval over rows that are correlated inside units.

    Units are drawn with replacement and the threshold is learned anew from each draw. The interval of the threshold is
    the widened percentile interval of `clew.stats.intervals.cluster_bootstrap` (thresholds converge slowly, like the
    cube root of the rows: take it as an order of magnitude). The cost is `mean_by_unit` at the threshold, plus the
    optimism: the mean over draws of cost on all rows minus cost on the draw (Efron, JASA 78, 1983).

    Args:
        scores: shape (rows,); higher means more likely positive; finite.
        labels: shape (rows,); 0 or 1.
        units: shape (rows,); what names the unit of each row.
        costs: what the four outcomes cost.
        rng: the random source.
        level: coverage, inside (0, 1).
        replicates: how many draws, at least 100; each costs O(rows).

    Raises:
        Invalid: as `best_threshold`; fewer than two units; too few replicates.
    """
    ranked = _Ranked(scores, labels, costs)
    codes, size = unit_codes(units)
    same_length(scores=ranked.tie, units=codes)
    if size < 2 or replicates < 100:
        raise Invalid(f"{size} units and {replicates} replicates", hint="at least 2 and 100 are needed")
    whole = ranked.curve(*ranked.count()) / ranked.rows
    cut = _cheapest(whole)
    cuts, lost = np.empty(replicates, np.intp), np.empty(replicates)
    for i in range(replicates):
        weights = np.bincount(rng.integers(size, size=size), minlength=size).astype(np.float64)[codes]
        drawn = ranked.curve(*ranked.count(weights))
        cuts[i] = _cheapest(drawn)
        lost[i] = whole[cuts[i]] - drawn[cuts[i]] / weights.sum()
    value, optimism = ranked.threshold(cut), float(lost.mean())
    found = np.array([ranked.threshold(int(c)) for c in cuts])
    decided = cost_of_decisions(ranked.truth, ranked.tie >= cut, costs)
    cost = mean_by_unit(*sum_by_unit(decided, codes), level=level)
    return ThresholdByUnit(
        threshold=percentile_interval(value, found, units=size, level=level, method="cluster bootstrap"),
        cost=msgspec.structs.replace(
            cost,
            value=cost.value + optimism,
            low=cost.low + optimism,
            high=cost.high + optimism,
            method="mean by unit, with optimism",
        ),
        optimism=optimism,
    )


class _Ranked:
    """Rows by distinct score; `cut` c decides positive from the c-th distinct score up."""

    __slots__ = ("costs", "rows", "seen", "tie", "truth")

    def __init__(self, scores: ArrayLike, labels: ArrayLike, costs: BinaryCosts) -> None:
        calibrated_threshold(costs)  # refuses costs under which nothing is to be decided
        self.costs = costs
        array = floats_of("scores", scores)
        self.truth: Flags = labels_of("labels", labels)
        self.rows = same_length(scores=array, labels=self.truth)
        self.seen: Floats
        self.tie: Codes
        self.seen, self.tie = np.unique(array, return_inverse=True)

    def count(self, weights: Floats | None = None) -> tuple[Floats, Floats]:
        """Positives and negatives by distinct score, exact (weights are whole numbers)."""
        size = len(self.seen)
        every = np.bincount(self.tie, weights, size).astype(np.float64)
        ours = self.truth
        positives = np.bincount(self.tie[ours], None if weights is None else weights[ours], size).astype(np.float64)
        return positives, every - positives

    def curve(self, positives: Floats, negatives: Floats) -> Floats:
        """The total cost of each cut, shape (distinct scores + 1,)."""
        missed = np.concatenate([[0.0], np.cumsum(positives)])
        passed = np.concatenate([[0.0], np.cumsum(negatives)])
        costs = self.costs
        return np.asarray(
            costs.missed * missed
            + costs.caught * (missed[-1] - missed)
            + costs.passed * passed
            + costs.false_alarm * (passed[-1] - passed)
        )

    def threshold(self, cut: int) -> float:
        """A threshold that separates the scores below the cut from those above it."""
        if cut == 0:
            return float(self.seen[0])
        below = float(self.seen[cut - 1])
        if cut == len(self.seen):
            return float(np.nextafter(below, np.inf))
        above = float(self.seen[cut])
        middle = 0.5 * below + 0.5 * above
        return middle if below < middle else above


def _cheapest(curve: Floats) -> int:
    """The last of the cheapest cuts; equal up to rounding counts as equal."""
    least = curve.min()
    return int(np.flatnonzero(curve <= least + 1e-12 * max(1.0, abs(least)))[-1])
