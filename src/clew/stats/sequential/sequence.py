"""What every confidence sequence can do, and the step that most of them share."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol, Self

from clew.core.errors import Invalid
from clew.stats.interval import Interval

__all__ = ["ConfidenceSequence", "Moments", "both_sides", "check_alpha", "check_value", "next_moments"]


class ConfidenceSequence(Protocol):
    """Bounds on the mean of units that hold at all looks together.

    Pure values: `update` changes nothing and may be called again on the same state. With probability 1 - alpha no
    `lower(alpha)` ever exceeds the mean, and the same of `upper`. The order of units is the order in which they came.
    """

    @property
    def units(self) -> int:
        """How many units have come."""
        ...

    def update(self, value: float) -> Self:
        """The state after one more unit.

        Raises:
            Invalid: the value is not finite, or outside of declared bounds.
        """
        ...

    def lower(self, alpha: float) -> float:
        """A bound that the mean is above at all looks with probability 1 - alpha; -∞ while there are too few units."""
        ...

    def upper(self, alpha: float) -> float:
        """A bound that the mean is below at all looks with probability 1 - alpha; ∞ while there are too few units."""
        ...

    def interval(self, level: float = 0.95) -> Interval:
        """Both bounds, each at half of 1 - level; the value is the mean so far, 0 before the first unit."""
        ...


class Moments(NamedTuple):
    """How many, their mean, and the sum of squared distances from it."""

    units: int
    mean: float
    squares: float


def next_moments(units: int, mean: float, squares: float, value: float) -> Moments:
    """The moments with one more value (Welford, Technometrics 4, 1962)."""
    away = value - mean
    mean += away / (units + 1)
    return Moments(units + 1, mean, squares + away * (value - mean))


def check_value(value: float) -> float:
    """The value of one unit.

    Raises:
        Invalid: it is not finite.
    """
    if not math.isfinite(value):
        raise Invalid(f"a unit has the value {value!r}", hint="leave units without rows out")
    return float(value)


def check_alpha(alpha: float) -> float:
    """The probability of error.

    Raises:
        Invalid: it is not inside (0, 0.5].
    """
    if not 0.0 < alpha <= 0.5:
        raise Invalid(f"alpha = {alpha!r} is not inside (0, 0.5]")
    return float(alpha)


def both_sides(sequence: ConfidenceSequence, mean: float, *, level: float, method: str) -> Interval:
    """Both one-sided bounds as one interval.

    Raises:
        Invalid: the level is not inside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise Invalid(f"level = {level!r} is not inside (0, 1)", hint="95 % is 0.95")
    half = (1.0 - level) / 2.0
    low, high = sequence.lower(half), sequence.upper(half)
    return Interval(value=mean, low=low, high=high, level=level, units=sequence.units, method=method)
