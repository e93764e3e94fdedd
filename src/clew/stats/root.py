"""The zero of a monotone function between two bounds.

Used to invert tails that have no closed inverse. It is no general optimiser: the caller knows the bracket.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from clew.core.errors import Invalid

__all__ = ["find_root"]

_MAX_STEPS = 200


def find_root(f: Callable[[float], float], low: float, high: float, *, relative: float = 1e-13) -> float:
    """Find the zero of a continuous function whose signs at the two ends differ.

    Regula falsi with the Anderson–Björck weights (BIT 13, 1973); every third step halves the bracket, so that it ends
    whatever the shape of the function.

    Args:
        f: the function; infinite values are allowed and only their sign is used.
        low: one end of the bracket.
        high: the other end, above `low`.
        relative: width of the final bracket, relative to the greater of its ends.

    Returns:
        A point of the final bracket.

    Raises:
        Invalid: the signs at the two ends are the same.
    """
    a, b, fa, fb = low, high, f(low), f(high)
    if fa == 0.0 or fb == 0.0:
        return a if fa == 0.0 else b
    if math.isnan(fa) or math.isnan(fb) or (fa > 0) == (fb > 0):
        raise Invalid(f"no change of sign between {low!r} ({fa!r}) and {high!r} ({fb!r})")
    for step in range(_MAX_STEPS):
        if abs(b - a) <= relative * max(abs(a), abs(b)):
            break
        c = _next(a, b, fa, fb, halve=step % 3 == 2)
        fc = f(c)
        if fc == 0.0:
            return c
        if (fc > 0) == (fb > 0):  # either: neither is 0 here
            keep = 1.0 - fc / fb if math.isfinite(fb) and math.isfinite(fc) else 0.5
            fa *= keep if keep > 0 else 0.5
        else:
            a, fa = b, fb
        b, fb = c, fc
    return b


def _next(a: float, b: float, fa: float, fb: float, *, halve: bool) -> float:
    middle = a + 0.5 * (b - a)
    if halve or not (math.isfinite(fa) and math.isfinite(fb)):
        return middle
    c = b - fb * (b - a) / (fb - fa)
    return c if min(a, b) < c < max(a, b) else middle
