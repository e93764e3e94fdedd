"""Numbers as people read and paste them: with an ASCII minus, without a sign at what is zero, and one thing as one; and
many things as a few of them and a number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.core.types.interval import Interval

__all__ = ["counted", "number", "some", "span"]


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


def counted(number: float, nouns: str) -> str:
    """How many there are of what nouns name, one or several words: `12,345 rows`, `1 row`, `1 batch`."""
    if number == 1:
        nouns = nouns.removesuffix("es" if nouns.endswith(("ches", "shes", "sses", "xes")) else "s")
    return f"{number:,} {nouns}"


def some(words: Sequence[str], *, most: int = 8) -> str:
    """Words with commas between them, of many the first ones and how many more there are: `a, b and 28 more`."""
    left = len(words) - most
    return f"{', '.join(words[:most])} and {left:,} more" if left > 0 else ", ".join(words)
