"""The confidence sequence of many units of any shape, by a central limit theorem that is uniform in time.

The spread is estimated as it goes; nothing is assumed but a finite variance and independent units. In exchange it holds
only in the limit: no bound is given before `first` units, and with few or very skewed ones it is wrong more often than
it says. For few units that are roughly normal take `clew.stats.sequential.student`.
"""

from __future__ import annotations

import math

import msgspec

from clew.stats.interval import Interval
from clew.stats.sequential.mixture import mixture_reach, tightest_at
from clew.stats.sequential.sequence import both_sides, check_alpha, check_value, next_moments

__all__ = ["AsymptoticSequence"]


class AsymptoticSequence(msgspec.Struct, frozen=True, tag="asymptotic"):
    """The state (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Annals of Statistics 52, 2024).

    The normal-mixture boundary times the standard deviation of the units so far. `horizon` is the number of units after
    which the bounds shall be tightest; `first` the number before which there are none.
    """

    horizon: float = 200.0
    first: int = 30
    units: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def update(self, value: float) -> AsymptoticSequence:
        """See `ConfidenceSequence`."""
        moments = next_moments(self.units, self.mean, self.squares, check_value(value))
        return AsymptoticSequence(self.horizon, self.first, *moments)

    def lower(self, alpha: float) -> float:
        """See `ConfidenceSequence`."""
        return self.mean - self._reach(alpha)

    def upper(self, alpha: float) -> float:
        """See `ConfidenceSequence`."""
        return self.mean + self._reach(alpha)

    def interval(self, level: float = 0.95) -> Interval:
        """See `ConfidenceSequence`."""
        return both_sides(self, self.mean, level=level, method="asymptotic")

    def _reach(self, alpha: float) -> float:
        tuned = tightest_at(self.horizon, check_alpha(alpha))
        if self.units < max(2, self.first):
            return math.inf
        return math.sqrt(self.squares / (self.units - 1)) * mixture_reach(self.units, alpha, tuned)
