"""Many tests at once: which to believe when some of many are bound to look extreme.

All functions return what each test must be compared with `alpha` for, or a verdict, in the order of the input.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from clew.core.errors import Invalid
from clew.stats.arrays import Codes, Flags, Floats, floats_of

__all__ = ["benjamini_hochberg", "bonferroni", "e_benjamini_hochberg", "holm"]


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Adjusted p-values that control the false-discovery rate (Benjamini and Hochberg, JRSS B 57, 1995).

    min over j ≥ i of m p₍ⱼ₎ / j. Rejecting where it is at most alpha keeps the expected share of false ones among the
    rejected at alpha or below, for independent or positively dependent tests (Benjamini and Yekutieli, 2001). If there
    is no effect at all, the probability of rejecting anything is at most alpha.

    Args:
        p_values: shape (tests,), each 0 to 1.

    Returns:
        Shape (tests,), each 0 to 1.

    Raises:
        Invalid: not one axis, or a value outside 0 to 1.
    """
    p = _p_values(p_values)
    order = np.argsort(p)[::-1]
    stepped = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    return _in_place(np.minimum(stepped, 1.0), order)


def holm(p_values: ArrayLike) -> Floats:
    """Adjusted p-values that control the probability of any false rejection, under any dependence (Holm, 1979).

    max over j ≤ i of (m - j + 1) p₍ⱼ₎. Never less powerful than `bonferroni`.

    Args and errors as `benjamini_hochberg`.
    """
    p = _p_values(p_values)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return _in_place(np.minimum(stepped, 1.0), order)


def bonferroni(p_values: ArrayLike) -> Floats:
    """p-values times their number, which controls the probability of any false rejection, under any dependence.

    Args and errors as `benjamini_hochberg`.
    """
    p = _p_values(p_values)
    return np.minimum(p * max(1, len(p)), 1.0)


def e_benjamini_hochberg(e_values: ArrayLike, *, alpha: float) -> Flags:
    """Which e-values to reject so that the false-discovery rate is at most alpha, under any dependence.

    e-BH (Wang and Ramdas, JRSS B 84, 2022): the k greatest, k the largest with e₍ₖ₎ ≥ m / (alpha k). An e-value is
    evidence whose expectation without an effect is at most 1, such as those of `clew.stats.sequential`, stopped at any
    time.

    Args:
        e_values: shape (tests,), each 0 or more; infinity is allowed.
        alpha: the false-discovery rate, inside (0, 1).

    Returns:
        Shape (tests,), True where rejected.

    Raises:
        Invalid: not one axis, a negative value, or alpha out of range.
    """
    e = floats_of("e-values", e_values, infinite=True)
    if (e.size and e.min() < 0.0) or not 0.0 < alpha < 1.0:
        raise Invalid(f"e-values must not be negative, and alpha = {alpha!r} must be inside (0, 1)")
    ranked = np.sort(e)[::-1]
    enough = np.flatnonzero(ranked * np.arange(1, len(e) + 1) >= len(e) / alpha)
    if not len(enough):
        return np.zeros(len(e), np.bool_)
    return np.asarray(e >= ranked[enough[-1]])


def _p_values(p_values: ArrayLike) -> Floats:
    p = floats_of("p-values", p_values)
    if p.size and not (p.min() >= 0.0 and p.max() <= 1.0):
        raise Invalid(f"p-values reach from {p.min():g} to {p.max():g}")
    return p


def _in_place(ordered: Floats, order: Codes) -> Floats:
    result = np.empty_like(ordered)
    result[order] = ordered
    return result
