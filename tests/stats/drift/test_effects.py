from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.spatial import distance

from clew.core.errors import Invalid
from clew.stats.drift.effects import hellinger, jensen_shannon, psi, total_variation, wasserstein
from clew.stats.histogram import count_numbers, learn_edges

histograms = hnp.arrays(np.int64, 7, elements=st.integers(0, 1000)).filter(lambda counts: counts.sum() > 0)
METRICS = [jensen_shannon, hellinger, total_variation]


@given(histograms, histograms)
def test_oracles(p: np.ndarray, q: np.ndarray) -> None:
    a, b = p / p.sum(), q / q.sum()
    theirs = distance.jensenshannon(a, b, base=2)
    assert jensen_shannon(p, q) == pytest.approx(0.0 if math.isnan(theirs) else theirs, abs=1e-7)
    assert hellinger(p, q) == pytest.approx(distance.euclidean(np.sqrt(a), np.sqrt(b)) / math.sqrt(2), abs=1e-9)
    assert total_variation(p, q) == pytest.approx(distance.cityblock(a, b) / 2, abs=1e-12)
    c, d = ((x + 0.5) / (x + 0.5).sum() for x in (p, q))
    assert psi(p, q) == pytest.approx(stats.entropy(c, d) + stats.entropy(d, c), abs=1e-9)


@given(histograms, histograms, histograms)
def test_metrics_are_metrics(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> None:
    for metric in METRICS:
        assert 0.0 <= metric(p, q) <= 1.0 + 1e-12
        assert metric(p, p) == pytest.approx(0.0, abs=1e-7)
        assert metric(p, q) == pytest.approx(metric(q, p), abs=1e-9)
        assert metric(p, r) <= metric(p, q) + metric(q, r) + 1e-7
        assert metric(p[::-1], q[::-1]) == pytest.approx(metric(p, q), abs=1e-9)
        assert metric(3 * p, q) == pytest.approx(metric(p, q), abs=1e-9)


def test_nothing_in_common_is_one() -> None:
    for metric in METRICS:
        assert metric([5, 0, 3, 0], [0, 2, 0, 9]) == pytest.approx(1.0)


@pytest.mark.parametrize("shift", [0.05, 0.2, 1.0])
def test_a_shift_is_told_in_standard_deviations(shift: float) -> None:
    values = np.random.default_rng(1).normal(50.0, 10.0, 200_000)
    edges = learn_edges(values, bins=64)
    before, after = count_numbers(values, edges), count_numbers(values + 10.0 * shift, edges)
    assert wasserstein(before, after, edges) == pytest.approx(shift, rel=0.08)


def test_wasserstein_follows_scipy_on_points() -> None:
    """Narrow bins are points; scipy's distance of points is the oracle."""
    rng = np.random.default_rng(2)
    points = np.sort(rng.uniform(0, 10, 6))
    edges = np.sort(np.concatenate([points, points + 1e-9]))
    p, q = rng.integers(1, 50, 6), rng.integers(1, 50, 6)
    spread = np.zeros((2, 14), np.int64)
    spread[0, 1:12:2], spread[1, 1:12:2] = p, q
    mean = points @ p / p.sum()
    scale = math.sqrt((points - mean) ** 2 @ p / p.sum())
    theirs = stats.wasserstein_distance(points, points, p, q) / scale
    assert wasserstein(*spread, edges) == pytest.approx(theirs, rel=1e-6)


def test_wasserstein_of_a_constant() -> None:
    edges = learn_edges([5.0] * 4)
    same, moved = count_numbers([5.0] * 9, edges), count_numbers([6.0] * 9, edges)
    assert wasserstein(same, same, edges) == 0.0
    assert wasserstein(same, count_numbers([5.0, np.nan], edges), edges) == 0.0
    assert wasserstein(same, moved, edges) > 0.0


@pytest.mark.parametrize(
    "ask",
    [
        lambda: jensen_shannon([1, 2], [1, 2, 3]),
        lambda: jensen_shannon([0, 0], [1, 2]),
        lambda: jensen_shannon([1, -1], [1, 2]),
        lambda: psi([0, 0], [1, 2]),
        lambda: wasserstein([1, 2, 3], [1, 2, 3], np.array([1.0])),
        lambda: wasserstein([0, 0, 0, 3], [1, 2, 3, 0], np.array([1.0, 2.0])),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()


@given(hnp.arrays(np.int64, 6, elements=st.integers(0, 20)), hnp.arrays(np.int64, 6, elements=st.integers(0, 20)))
def test_wasserstein_is_the_area_between_the_distributions(p: np.ndarray, q: np.ndarray) -> None:
    """They may cross inside a bin."""
    if min(p[:-1].sum(), q[:-1].sum()) == 0 or np.count_nonzero(p[:-1]) < 2:
        return
    edges = np.array([0.0, 1.0, 3.0, 3.5])
    grid = np.linspace(0.0, 3.5, 7001)
    curves = [np.interp(grid, edges, np.cumsum(side[:-1])[:-1] / side[:-1].sum()) for side in (p, q)]
    area = np.trapezoid(np.abs(curves[0] - curves[1]), grid)
    shares, middles, widths = p[:-1] / p[:-1].sum(), np.array([0, 0.5, 2, 3.25, 3.5]), np.array([0, 1, 2, 0.5, 0])
    scale = math.sqrt(shares @ ((middles - shares @ middles) ** 2 + widths**2 / 12))
    assert wasserstein(p, q, edges) == pytest.approx(area / scale, abs=2e-4)
