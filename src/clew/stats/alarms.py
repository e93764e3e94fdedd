"""When to alarm, over many columns, at every look, for ever.

A p-value below 0.05 among 50 columns looked at daily is there every day. Here the probability that anything is *ever*
alarmed without drift is at most `alpha`, for the whole life of a reference:

- A look is a closed window, not a glance: asking again before the next window closes asks the same question.
- Look t may spend alpha T / ((t + T - 1)(t + T)), which adds up to alpha over all looks, half of it in the first
  T = 100, and fades slowly: after 1,000 daily looks a shift must be about a tenth larger to be found as fast.
- Within a look the columns share what it may spend by Benjamini and Hochberg, which for the probability of any alarm
  without drift assumes that columns are independent or positively dependent (Simes, 1986; Sarkar, 1998).
- Within a column the newest 1, 3, 7 and 28 windows are tested together, so that a great drift is found at once and a
  small one after a while; seven and 28 daily windows hold whole weeks. Bonferroni shares between them.

Only the p-values of each look must be right, not their independence from look to look, so that all looks may use the
same reference. Restart at look 1 with a new reference (a new model version).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from clew.core.errors import Invalid
from clew.stats.arrays import counts_of
from clew.stats.drift.design import Design
from clew.stats.drift.homogeneity import Drift, drift_tests
from clew.stats.fdr import benjamini_hochberg

__all__ = ["SCALES", "Look", "alpha_of_look", "drift_at_scales", "judge_look"]

SCALES = (1, 3, 7, 28)

_HALF_IN = 100


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict of one look.

    `spent` is the alpha of this look, `adjusted` each column's p-value over its scales and over the columns, `alarmed`
    the columns whose adjusted p-value is at most `spent`, in the order given.
    """

    spent: float
    adjusted: dict[str, float]
    alarmed: tuple[str, ...]


def alpha_of_look(look: int, *, alpha: float = 0.05) -> float:
    """What look number `look` (from 1) may spend: alpha T / ((t + T - 1)(t + T)) with T = 100.

    A telescoping sum: the first t looks together spend alpha t / (t + T).

    Raises:
        Invalid: look below 1, or alpha not inside (0, 1).
    """
    if look < 1 or not 0.0 < alpha < 1.0:
        raise Invalid(f"look = {look!r} must be at least 1, alpha = {alpha!r} inside (0, 1)")
    return alpha * _HALF_IN / ((look + _HALF_IN - 1) * (look + _HALF_IN))


def drift_at_scales(
    reference: ArrayLike,
    windows: ArrayLike,
    *,
    ordered: bool,
    design: Design | None = None,
    scales: Sequence[int] = SCALES,
) -> dict[int, Drift]:
    """Test one column's newest windows together, at each scale that they fill.

    Args:
        reference: counts, shape (bins,), the last one of missing values.
        windows: counts of the closed windows, shape (windows, bins), newest last, one unit (day) each; at least one.
            Older ones than the greatest scale are not read.
        ordered: as in `drift_test`.
        design: as in `drift_test`.
        scales: how many of the newest windows to test together.

    Returns:
        Each scale's test; scales for which there are too few windows, or no rows, are left out.

    Raises:
        Invalid: no windows, or shapes differ.
    """
    counts = counts_of("windows", windows, ndim=2)[::-1]
    summed, lived = np.cumsum(counts, axis=0), np.cumsum(counts.sum(axis=1) > 0)
    filled = [scale for scale in scales if 1 <= scale <= len(counts) and lived[scale - 1]]
    if not filled:
        return {}
    at = [scale - 1 for scale in filled]
    tests = drift_tests(reference, summed[at], ordered=ordered, design=design, window_units=lived[at].tolist())
    return dict(zip(filled, tests, strict=True))


def judge_look(p_values: Mapping[str, Sequence[float]], look: int, *, alpha: float = 0.05) -> Look:
    """Say which columns to alarm at this look.

    Args:
        p_values: for each column the p-values of its scales (`drift_at_scales`), at least one.
        look: the number of this look since the reference was set, from 1; one for each closed window.
        alpha: the probability of any false alarm ever.

    Raises:
        Invalid: a column without p-values, or a value out of range.
    """
    if empty := [name for name, values in p_values.items() if not len(values)]:
        raise Invalid(f"no p-value for column {empty[0]!r}", hint="leave it out of this look")
    for name, values in p_values.items():
        if not all(0.0 <= value <= 1.0 for value in values):
            raise Invalid(f"column {name!r} has p-values {list(values)!r}, not all of them 0 to 1")
    spent = alpha_of_look(look, alpha=alpha)
    combined = [min(1.0, len(values) * min(values)) for values in p_values.values()]
    adjusted = dict(zip(p_values, benjamini_hochberg(combined).tolist(), strict=True))
    alarmed = tuple(name for name, value in adjusted.items() if value <= spent)
    return Look(spent=spent, adjusted=adjusted, alarmed=alarmed)
