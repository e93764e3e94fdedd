"""Numbers as people read and paste them: with an ASCII minus, and without a sign at what is zero."""

from __future__ import annotations

import math

from clew.core.types.interval import Interval

__all__ = ["number", "span"]


def number(value: float, *, digits: int = 5, sign: bool = False) -> str:
    """A number with so many digits; with `sign`, a `+` before what is above zero."""
    if math.isnan(value):
        return "NaN"
    plus = "+" if sign and value > 0 else ""
    return f"{plus}{value:z.{digits}g}"


def span(interval: Interval, *, sign: bool = False) -> str:
    """An estimate with its interval, of four digits; without the interval where it rests on a single unit."""
    value, low, high = (number(each, digits=4, sign=sign) for each in (interval.value, interval.low, interval.high))
    return value if interval.units < 2 else f"{value} [{low}, {high}]"
