"""Which bins are tested together: thin ones are joined, so that the test knows its own distribution and has power.

Bins are joined by what the *reference* and the number of rows say, never by the window's counts, which would spoil the
test. Missing values and what the reference never saw stay apart from everything else: a flood of nulls or of a novel
category must not drown in a common bin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from clew.core.errors import Invalid
from clew.stats.arrays import Codes, Floats, counts_of

__all__ = ["pool", "pooled"]

_ORDERED_GROUPS = 12
_NOMINAL_GROUPS = 24
_LEAST_EXPECTED = 5.0


def pool(reference: ArrayLike, rows: float, *, ordered: bool) -> Codes:
    """Group the bins of a histogram whose last bin counts missing values (`clew.stats.histogram`).

    Numbers (`ordered`): neighbours are joined from the left until a group holds a twelfth of the reference and at least
    5 expected rows (Cochran, Biometrics 10, 1954); few groups find shifts better than many (Mann and Wald, 1942). Bins
    that the reference never saw form one group. Categories: each with at least 5 expected rows is a group, at most the
    24 most common; the rest, the unseen and the novel bin form one group.

    Args:
        reference: counts, shape (bins,), the last one of missing values.
        rows: rows of the smaller side, above 0.
        ordered: whether neighbouring bins are alike.

    Returns:
        The group of each bin, shape (bins,), numbered from 0 without gaps; the last bin is always a group of its own.

    Raises:
        Invalid: no known rows in the reference, or arguments that make no sense.
    """
    counts = counts_of("reference", reference)
    if len(counts) < 2 or not rows > 0:
        raise Invalid(f"{len(counts)} bins and {rows!r} rows cannot be grouped")
    total = counts.sum()
    if total == 0:
        raise Invalid("the reference is empty")
    least = min(1.0, _LEAST_EXPECTED / rows) * total
    known = counts[:-1]
    groups = _ordered(known, max(least, total / _ORDERED_GROUPS)) if ordered else _nominal(known, least)
    return np.concatenate([groups, [groups.max() + 1]])


def pooled(counts: Floats, groups: Codes) -> Floats:
    """Add up the bins of each group.

    Args:
        counts: shape (..., bins).
        groups: shape (bins,), from `pool`.

    Returns:
        Shape (..., groups).
    """
    member = np.zeros((len(groups), int(groups.max()) + 1))
    member[np.arange(len(groups)), groups] = 1.0
    return np.asarray(counts @ member)


def _ordered(counts: Floats, least: float) -> Codes:
    groups = np.zeros(len(counts), np.intp)
    current, held = 0, 0.0
    for i, count in enumerate(counts.tolist()):
        if count == 0.0:
            groups[i] = -1
            continue
        if held >= least or (count >= least and current > 0):
            current, held = _close(groups, i, current, held, least)
        groups[i] = current
        held += count
    if held < least and current > 0:
        groups[groups == current] = current - 1
    return _without_gaps(groups)


def _close(groups: Codes, i: int, current: int, held: float, least: float) -> tuple[int, float]:
    """End the current group before bin i; a thin one that meets a full bin joins the group on its left."""
    if held < least:
        groups[:i][groups[:i] == current] = current - 1
        return current, 0.0
    return current + 1, 0.0


def _nominal(counts: Floats, least: float) -> Codes:
    own = np.flatnonzero((counts >= least) & (counts > 0))
    own = own[own < len(counts) - 1]  # the last known bin is the novel one
    if len(own) > _NOMINAL_GROUPS:
        own = np.sort(own[np.argsort(-counts[own], kind="stable")[:_NOMINAL_GROUPS]])
    groups = np.full(len(counts), -1, np.intp)
    groups[own] = np.arange(len(own))
    return _without_gaps(groups)


def _without_gaps(groups: Codes) -> Codes:
    """Number the groups from 0; what has none (-1) comes last, as one."""
    last = groups.max() + 1
    return np.unique(np.where(groups < 0, last, groups), return_inverse=True)[1].astype(np.intp)
