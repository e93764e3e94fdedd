"""Truths, decisions and scores side by side: the metrics that an evaluation keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.core.errors import Invalid
from clew.core.types.evaluation import ScoreHistogram
from clew.core.types.interval import Interval
from clew.core.types.value import BinaryValue, RegressionValue, ValueContract
from clew.policy.units import Units, unbounded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Codes = NDArray[np.intp]
    Floats = NDArray[np.float64]

__all__ = ["Scored"]

_BINS = 32


class Scored:
    """Truths, decisions and scores side by side."""

    def __init__(
        self,
        contract: ValueContract,
        truths: Codes | Floats,
        decisions: Codes | Floats,
        scores: NDArray[np.generic],
        units: Units,
    ) -> None:
        self.contract, self.truths, self.decisions = contract, truths, decisions
        self.scores, self.units = scores, units

    def metrics(self, level: float) -> dict[str, Interval]:
        """Metrics by name, with intervals by unit."""
        import numpy as np

        def mean(values: NDArray[np.generic]) -> Interval:
            return self.units.mean(values.astype(np.float64), level)

        if isinstance(self.contract, RegressionValue):
            error = self.decisions - self.truths
            return {"mean_error": mean(error), "mean_absolute_error": mean(np.abs(error))}
        found = {"accuracy": mean(self.truths == self.decisions)}
        if isinstance(self.contract, BinaryValue):
            found |= {"positives": mean(self.truths), "decided_positive": mean(self.decisions)}
            scores = self.scores.astype(np.float64)
            if scores.min() >= 0 and scores.max() <= 1:
                found["brier"] = mean((scores - self.truths) ** 2)
            if 0 < int(self.truths.sum()) < len(self.truths):
                found["auc"] = self._auc(level)
        elif self.scores.ndim == 2 and len(np.unique(self.truths)) > 1:
            found["auc"] = self._auc_one_vs_rest(level)
        return found

    def _auc_one_vs_rest(self, level: float) -> Interval:
        from clew.stats.auc import auc_one_vs_rest, auc_one_vs_rest_by_unit

        try:
            return auc_one_vs_rest_by_unit(self.scores, self.truths, self.units.codes, level=level)
        except Invalid:  # too few units or rows of a class for an interval; the value itself is sound
            return unbounded(auc_one_vs_rest(self.scores, self.truths), level=level, units=len(self.units.names))

    def _auc(self, level: float) -> Interval:
        from clew.stats.auc import auc, auc_by_unit, delong

        try:
            if self.units.distinct == len(self.truths):
                return delong(self.scores, self.truths, level=level)
            codes = self.units.codes
            return auc_by_unit(self.scores, self.truths, codes, level=level)
        except Invalid:  # too few units or rows of a class for an interval; the value itself is sound
            return unbounded(auc(self.scores, self.truths), level=level, units=len(self.units.names))

    def confusion(self, size: int) -> list[list[int]]:
        """How often each of `size` classes was decided for each: `[truth][decision]`; empty for numbers."""
        import numpy as np

        if not size:
            return []
        cells = np.asarray(self.truths * size + self.decisions, dtype=np.intp)
        return [[int(v) for v in row] for row in np.bincount(cells, minlength=size * size).reshape(size, size)]

    def histogram(self) -> ScoreHistogram | None:
        """Scores by outcome, for binary decisions."""
        import numpy as np

        from clew.stats.histogram import count_numbers, learn_edges

        if not isinstance(self.contract, BinaryValue):
            return None
        scores, truths = self.scores.astype(np.float64), self.truths.astype(bool)
        edges = learn_edges(scores, bins=_BINS)
        sides = [[int(n) for n in count_numbers(scores[side], edges)[:-1]] for side in (truths, ~truths)]
        return ScoreHistogram(edges=[float(edge) for edge in edges], positives=sides[0], negatives=sides[1])
