"""A number with the range that the data leave open for it. Needs no numpy, so that anything may hold one."""

from __future__ import annotations

import msgspec

__all__ = ["Interval"]


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate and its confidence interval.

    `level` is the coverage aimed at (0.95), `units` how many independent units it rests on (days, customers; rows
    where rows are independent), `method` how it was made. A bound may be infinite where the data do not bound it.
    """

    value: float
    low: float
    high: float
    level: float
    units: int
    method: str

    @property
    def width(self) -> float:
        """From low to high."""
        return self.high - self.low

    def holds(self, number: float) -> bool:
        """Whether the number lies between low and high."""
        return self.low <= number <= self.high
