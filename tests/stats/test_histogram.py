from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clew.core.errors import Invalid
from clew.stats.histogram import count_codes, count_numbers, learn_edges, merge, quantiles

columns = hnp.arrays(np.float64, st.integers(0, 200), elements=st.floats(width=64)) | hnp.arrays(
    np.int64, st.integers(0, 200), elements=st.integers(-4, 4)
)


def by_hand(values: np.ndarray, edges: np.ndarray) -> list[int]:
    known = values[~np.isnan(values.astype(float))].astype(float)
    bounds = [-np.inf, *edges, np.inf]
    inside = [int(((known >= a) & (known < b)).sum()) for a, b in itertools.pairwise(bounds)]
    inside[-1] += int((known == np.inf).sum())
    return [*inside, len(values) - len(known)]


@given(columns, st.integers(4, 40))
def test_every_value_is_counted_once_in_its_bin(values: np.ndarray, bins: int) -> None:
    edges = learn_edges(values, bins=bins)
    assert len(edges) <= bins - 1
    assert (np.diff(edges) > 0).all()
    assert count_numbers(values, edges).tolist() == by_hand(values, edges)


@given(columns, st.integers(4, 40))
def test_the_outer_bins_are_empty_in_what_was_learned_from(values: np.ndarray, bins: int) -> None:
    finite = values[np.isfinite(values)]
    counts = count_numbers(finite, learn_edges(finite, bins=bins))
    assert counts[-1] == 0
    if len(finite) and finite.max() < np.finfo(float).max:
        assert counts[0] == counts[-2] == 0


@given(columns, columns, columns)
def test_merging_is_counting_together_in_any_order(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    edges = learn_edges(a, bins=12)
    x, y, z = (count_numbers(part, edges) for part in (a, b, c))
    whole = count_numbers(np.concatenate([a.astype(float), b.astype(float), c.astype(float)]), edges)
    assert merge([merge([x, y]), z]).tolist() == merge([z, x, y]).tolist() == whole.tolist()


@given(columns)
def test_the_order_of_rows_does_not_matter(values: np.ndarray) -> None:
    edges = learn_edges(values, bins=10)
    assert learn_edges(values[::-1], bins=10).tolist() == edges.tolist()
    assert count_numbers(values[::-1], edges).tolist() == count_numbers(values, edges).tolist()


def test_bins_hold_about_equally_many_rows() -> None:
    values = np.random.default_rng(1).lognormal(0, 3, 100_000)
    counts = count_numbers(values, learn_edges(values, bins=32))
    assert len(counts) == 33
    assert counts[1:-2].min() > 0.95 * counts[1:-2].max()


def test_few_values_get_a_bin_each() -> None:
    edges = learn_edges([3, 1, 1, 2, 7], bins=16)
    assert edges[:-1].tolist() == [1.0, 1.5, 2.5, 5.0]
    assert count_numbers([1, 2, 3, 7, 0, 8, 4.9], edges).tolist() == [1, 1, 1, 2, 1, 1, 0]


def test_a_common_value_gets_a_bin_of_its_own() -> None:
    rng = np.random.default_rng(2)
    values = np.where(rng.random(5000) < 0.6, 0.0, rng.normal(size=5000))
    edges = learn_edges(values, bins=16)
    counts = count_numbers([0.0, 1e-300, -1e-300], edges)
    assert counts.max() == 1
    assert count_numbers(values, edges).max() == (values == 0.0).sum()


def test_constant_empty_and_missing_columns() -> None:
    assert count_numbers([4.9, 5.0, 5.1, 5.0], learn_edges([5.0] * 9)).tolist() == [1, 2, 1, 0]
    nothing = learn_edges([np.nan, np.inf])
    assert len(nothing) == 0
    assert count_numbers([1.0, np.nan, -np.inf], nothing).tolist() == [2, 1]


def test_many_edges_and_many_rows_count_alike() -> None:
    values = np.random.default_rng(3).normal(size=100_000)
    values[::1000] = np.nan
    for bins in (32, 400):
        edges = learn_edges(values, bins=bins)
        known = values[~np.isnan(values)]
        exact = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
        assert count_numbers(values, edges).tolist() == [*exact.tolist(), 100]
        assert count_numbers(values.astype(np.float32), edges).sum() == 100_000


@pytest.mark.parametrize(("edges", "looks_up"), [(128, False), (129, True)])
def test_few_edges_are_compared_and_many_looked_up(edges: int, looks_up: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both count alike; it is the time that differs, several times."""
    asked: list[int] = []
    search = np.searchsorted
    monkeypatch.setattr(np, "searchsorted", lambda *given, **more: asked.append(1) or search(*given, **more))
    assert count_numbers(np.arange(1000.0), np.arange(float(edges))).sum() == 1000
    assert bool(asked) == looks_up


def test_codes_know_novel_and_missing() -> None:
    assert count_codes([0, 1, 1, 2, 3, 9, -1], 3).tolist() == [1, 2, 1, 2, 1]
    assert count_codes(np.array([], np.int8), 2).tolist() == [0, 0, 0, 0]
    assert count_codes([True, False, True], 2).tolist() == [1, 2, 0, 0]


@given(columns.filter(lambda values: np.isfinite(values).all() and len(values) > 0 and np.abs(values).max() < 1e300))
def test_quantiles_lie_in_the_right_bin(values: np.ndarray) -> None:
    edges = learn_edges(values, bins=16)
    asked = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    ours = quantiles(count_numbers(values, edges), edges, asked)
    exact = np.quantile(values, asked, method="inverted_cdf")
    assert (np.diff(ours) >= 0).all()
    assert ours[0] >= values.min()
    low = edges[np.maximum(np.searchsorted(edges, exact, side="right") - 1, 0)]
    high = edges[np.minimum(np.searchsorted(edges, exact, side="right"), len(edges) - 1)]
    assert ((low <= ours) & (ours <= high)).all()


def test_quantiles_of_a_smooth_column_are_close() -> None:
    values = np.random.default_rng(4).normal(size=200_000)
    edges = learn_edges(values, bins=64)
    ours = quantiles(count_numbers(values, edges), edges, [0.05, 0.25, 0.5, 0.9])
    assert ours == pytest.approx(np.quantile(values, [0.05, 0.25, 0.5, 0.9]), abs=0.01)
    assert np.isnan(quantiles([0, 0, 0, 5], np.array([1.0, 2.0]), [0.5])).all()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: learn_edges(["a"]),
        lambda: learn_edges([[1.0]]),
        lambda: learn_edges([1.0], bins=3),
        lambda: count_numbers([1.0], np.array([2.0, 1.0])),
        lambda: count_codes([0.5], 2),
        lambda: merge([]),
        lambda: merge([[1, 2], [1, 2, 3]]),
        lambda: merge([[0.5, 2]]),
        lambda: quantiles([1, 2], np.array([1.0]), [0.5]),
        lambda: quantiles([1, 2, 3], np.array([1.0]), [1.5]),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()
