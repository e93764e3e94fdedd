"""The normal-mixture boundary: how far a standardised mean may stray at any of infinitely many looks."""

from __future__ import annotations

import math

from clew.core.errors import Invalid

__all__ = ["mixture_reach", "tightest_at"]


def mixture_reach(units: int, alpha: float, tuned: float) -> float:
    """The one-sided boundary of the mean of `units` values with standard deviation 1.

    √(2 (nρ² + 1)/(n²ρ²) log(1 + √(nρ² + 1)/(2 alpha))): the wager on a mean drawn from a half-normal with standard
    deviation ρ (Robbins, Annals of Mathematical Statistics 41, 1970; Howard, Ramdas, McAuliffe and Sekhon, Annals of
    Statistics 49, 2021, §3.2; this closed form Waudby-Smith et al., Annals of Statistics 52, 2024, prop. B.1).

    Args:
        units: how many, at least 1.
        alpha: probability of error, inside (0, 0.5].
        tuned: ρ, from `tightest_at`.
    """
    v = units * tuned * tuned
    return math.sqrt(2.0 * (v + 1.0) / (units * v) * math.log1p(math.sqrt(v + 1.0) / (2.0 * alpha)))


def tightest_at(units: float, alpha: float) -> float:
    """The ρ with which the boundary is tightest after about so many units.

    √((-2 log 2alpha + log(1 - 2 log 2alpha)) / n) (Waudby-Smith et al., 2024, §B.2).

    Raises:
        Invalid: units below 1.
    """
    if not 1.0 <= units < math.inf:
        raise Invalid(f"horizon = {units!r} units must be at least 1")
    spent = -2.0 * math.log(min(2.0 * alpha, 0.9))
    return math.sqrt((spent + math.log1p(spent)) / units)
