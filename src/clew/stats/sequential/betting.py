"""The confidence sequence of values with hard bounds, by betting: exact whatever their distribution.

Assumes independent units (or only that each has the same mean given those before) inside declared bounds, and nothing
else: no normality, no variance. It adapts to a small spread, but slowly: with bounds far wider than the spread it needs
several times as many units as `clew.stats.sequential.student`. A value outside of the bounds is refused.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from clew.core.errors import Invalid
from clew.stats.arrays import Floats
from clew.stats.interval import Interval
from clew.stats.root import find_root
from clew.stats.sequential.sequence import both_sides, check_alpha, check_value

__all__ = ["BettingSequence"]

_MOST_STAKED = 0.75


class BettingSequence(msgspec.Struct, frozen=True, tag="betting"):
    """The state of the capital processes (Waudby-Smith and Ramdas, JRSS B 86, 2024, §4).

    Against each possible mean m two gamblers stake λₜ on the next value being above, or below: their capital
    Π (1 ± λₜ(m)(xₜ - m)) is a martingale if m is the mean, so an m whose capital ever reaches 1/alpha is left out. λₜ
    is the predictable plug-in √(2 log(1/alpha) / (σ²ₜ₋₁ t log(t + 1))) in units of the range, at most 3/4 of what could
    lose all. The stakes depend on alpha, so the values themselves are the state: 8 bytes a unit.
    """

    low: float
    high: float
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.high - self.low) and self.low < self.high):
            raise Invalid(f"bounds {self.low!r} to {self.high!r} leave no room")

    @property
    def units(self) -> int:
        """See `ConfidenceSequence`."""
        return len(self.values)

    def update(self, value: float) -> BettingSequence:
        """See `ConfidenceSequence`."""
        if not self.low <= check_value(value) <= self.high:
            raise Invalid(
                f"the value {value!r} lies outside of {self.low!r} to {self.high!r}", hint="declare wider bounds"
            )
        return BettingSequence(self.low, self.high, (*self.values, float(value)))

    def lower(self, alpha: float) -> float:
        """See `ConfidenceSequence`; the lower bound of the range while there is no evidence."""
        return self.low + (self.high - self.low) * _lower(self._inside(), check_alpha(alpha))

    def upper(self, alpha: float) -> float:
        """See `ConfidenceSequence`; the upper bound of the range while there is no evidence."""
        return self.high - (self.high - self.low) * _lower(1.0 - self._inside(), check_alpha(alpha))

    def interval(self, level: float = 0.95) -> Interval:
        """See `ConfidenceSequence`."""
        mean = sum(self.values) / len(self.values) if self.values else 0.0
        return both_sides(self, mean, level=level, method="betting")

    def _inside(self) -> Floats:
        """The values as shares of the range."""
        return (np.array(self.values, dtype=np.float64) - self.low) / (self.high - self.low)


def _lower(x: Floats, alpha: float) -> float:
    """The least m in [0, 1] against which the gambler on greater values never had 1/alpha."""
    if not len(x):
        return 0.0
    stakes, enough = _stakes(x, alpha), -math.log(alpha)

    def excess(m: float) -> float:
        staked = np.minimum(stakes, _MOST_STAKED / m) if m > 0.0 else stakes
        return float(np.cumsum(np.log1p(staked * (x - m))).max()) - enough

    if excess(0.0) <= 0.0:  # or `<`: where it is 0 the root is found there
        return 0.0
    return find_root(excess, 0.0, 1.0, relative=1e-10)


def _stakes(x: Floats, alpha: float) -> Floats:
    """λₜ from the values before t alone."""
    t = np.arange(1, len(x) + 1)
    mean = (0.5 + np.cumsum(x)) / (t + 1)
    variance = (0.25 + np.cumsum((x - mean) ** 2)) / (t + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    return np.asarray(np.sqrt(2.0 * -math.log(alpha) / (before * t * np.log1p(t))))
