from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clew.core.errors import Invalid
from clew.stats.drift.pool import pool, pooled

references = hnp.arrays(np.int64, st.integers(2, 40), elements=st.integers(0, 10) | st.integers(0, 10_000)).filter(
    lambda counts: counts.sum() > 0
)


@given(references, st.floats(1, 1e6), st.booleans())
def test_every_bin_has_a_group_and_missing_stands_alone(reference: np.ndarray, rows: float, ordered: bool) -> None:
    groups = pool(reference, rows, ordered=ordered)
    assert sorted(set(groups.tolist())) == list(range(groups.max() + 1))
    assert groups[-1] == groups.max()
    assert (groups == groups[-1]).sum() == 1
    assert pooled(reference, groups).sum() == reference.sum()


@given(references, st.floats(1, 1e6))
def test_numbers_are_joined_with_their_neighbours(reference: np.ndarray, rows: float) -> None:
    known = reference[:-1]
    groups = pool(reference, rows, ordered=True)[:-1][known > 0]
    assert (np.diff(groups) >= 0).all()
    assert (np.diff(groups) <= 1).all()
    held = np.bincount(groups, known[known > 0]) if len(groups) else np.zeros(1)
    if len(held) > 1:
        assert held.min() >= min(5 / rows, 1.0) * reference.sum() - 1e-9
        assert len(held) <= 12
    unseen = pool(reference, rows, ordered=True)[:-1][known == 0]
    assert len(set(unseen.tolist())) <= 1
    assert not set(unseen.tolist()) & set(groups.tolist())


@given(references, st.floats(1, 1e6))
def test_common_categories_stand_alone(reference: np.ndarray, rows: float) -> None:
    groups = pool(reference, rows, ordered=False)
    sizes = np.bincount(groups)
    shared = [group for group in range(len(sizes)) if sizes[group] > 1]
    assert len(shared) <= 1
    assert len(sizes) <= 26
    enough = reference[:-2] >= max(5 / rows, 1e-300) * reference.sum()
    if enough.sum() <= 24:
        alone = sizes[groups[:-2]] == 1
        assert alone[enough].all()


def test_examples() -> None:
    assert pool([0, 30, 30, 30, 0, 7], 100, ordered=True).tolist() == [3, 0, 1, 2, 3, 4]
    assert pool([50, 40, 1, 1, 0, 3], 100, ordered=False).tolist() == [0, 1, 2, 2, 2, 3]
    assert pool([2, 600, 3, 300, 95, 0], 1000, ordered=True).tolist() == [0, 0, 0, 1, 2, 3]
    assert pool([600, 1, 600, 0, 0], 1000, ordered=True).tolist() == [0, 0, 1, 2, 3]
    assert pool([600, 600, 1, 0, 0], 1000, ordered=True).tolist() == [0, 1, 1, 2, 3]
    assert pool([1, 600, 600, 0, 0], 1000, ordered=True).tolist() == [0, 0, 1, 2, 3]
    assert pool([0, 0, 9], 100, ordered=True).tolist() == [0, 0, 1]


@pytest.mark.parametrize(("reference", "rows"), [([], 5), ([3], 5), ([0, 0], 5), ([1, 2], 0), ([1, -2], 5)])
def test_nonsense_is_refused(reference: list[int], rows: float) -> None:
    with pytest.raises(Invalid):
        pool(reference, rows, ordered=True)
