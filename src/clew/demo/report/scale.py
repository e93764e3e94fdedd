"""From values to places in a chart: days along x, numbers along y."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

__all__ = ["WIDTH", "Days", "Numbers", "ticks"]

WIDTH = 1000.0
"""The width of every drawing in its own units; a page stretches it to what there is."""


@dataclass(frozen=True)
class Days:
    """Days from `first` up to `end`, which is not one of them."""

    first: date
    end: date

    def x(self, day: date) -> float:
        """Where a day begins."""
        return WIDTH * self.share(day)

    def share(self, day: date) -> float:
        """Where a day begins, 0 at the left to 1 at the right."""
        return (day - self.first).days / max((self.end - self.first).days, 1)

    @property
    def months(self) -> list[date]:
        """The first days of the months that begin here."""
        at = self.first if self.first.day == 1 else _next_month(self.first)
        found = []
        while at < self.end:
            found.append(at)
            at = _next_month(at)
        return found


@dataclass(frozen=True)
class Numbers:
    """Numbers from `low` to `high`, upwards in a drawing of a height."""

    low: float
    high: float
    height: float

    def y(self, value: float) -> float:
        """How far below the upper edge."""
        return self.height * (1 - (value - self.low) / ((self.high - self.low) or 1.0))

    @classmethod
    def around(cls, values: list[float], height: float) -> Numbers:
        """From one tick to another, with all values between."""
        marks = ticks(min(values), max(values))
        return cls(marks[0], marks[-1], height)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers that enclose a range, at most about `most` of them."""
    if not high > low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
