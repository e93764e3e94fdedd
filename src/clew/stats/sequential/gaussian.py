"""The confidence sequence of units whose standard deviation is known: Robbins' normal mixture.

Holds at every look exactly for sub-Gaussian units: normal ones with at most that standard deviation, or bounded ones
with `deviation` = half their range. It does not learn the spread; put in too small a deviation and it is wrong.
"""

from __future__ import annotations

import math

import msgspec

from clew.core.errors import Invalid
from clew.stats.interval import Interval
from clew.stats.sequential.mixture import mixture_reach, tightest_at
from clew.stats.sequential.sequence import both_sides, check_alpha, check_value

__all__ = ["GaussianSequence"]


class GaussianSequence(msgspec.Struct, frozen=True, tag="gaussian"):
    """The state of a normal-mixture sequence (Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 49, 2021).

    `deviation` is the known standard deviation (or sub-Gaussian scale) of a unit; `horizon` the number of units after
    which the bounds shall be tightest, which changes how wide they are when, never that they hold.
    """

    deviation: float
    horizon: float = 60.0
    units: int = 0
    mean: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.deviation < math.inf:
            raise Invalid(f"deviation = {self.deviation!r} must be above 0")

    def update(self, value: float) -> GaussianSequence:
        """See `ConfidenceSequence`."""
        units = self.units + 1
        return GaussianSequence(
            self.deviation, self.horizon, units, self.mean + (check_value(value) - self.mean) / units
        )

    def lower(self, alpha: float) -> float:
        """See `ConfidenceSequence`."""
        return self.mean - self._reach(alpha)

    def upper(self, alpha: float) -> float:
        """See `ConfidenceSequence`."""
        return self.mean + self._reach(alpha)

    def interval(self, level: float = 0.95) -> Interval:
        """See `ConfidenceSequence`."""
        return both_sides(self, self.mean, level=level, method="normal mixture")

    def _reach(self, alpha: float) -> float:
        tuned = tightest_at(self.horizon, check_alpha(alpha))
        return self.deviation * mixture_reach(self.units, alpha, tuned) if self.units else math.inf
