from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clew.core.errors import Invalid
from clew.stats.fdr import benjamini_hochberg, bonferroni, e_benjamini_hochberg, holm

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(p_values)
def test_benjamini_hochberg_follows_scipy(p: list[float]) -> None:
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p, method="bh"), abs=1e-15)


@given(p_values)
def test_the_three_are_ordered_and_keep_the_order(p: list[float]) -> None:
    bh, step, once = benjamini_hochberg(p), holm(p), bonferroni(p)
    assert (bh <= step + 1e-15).all()
    assert (step <= once + 1e-15).all()
    assert (np.array(p) <= bh + 1e-15).all()
    order = np.argsort(p)
    assert (np.diff(bh[order]) >= 0).all()
    assert (np.diff(step[order]) >= 0).all()


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert bonferroni([0.01, 0.04, 0.6]) == pytest.approx([0.03, 0.12, 1.0])
    assert len(holm([])) == len(benjamini_hochberg([])) == len(bonferroni([])) == 0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20), st.floats(0.01, 0.5))
def test_e_bh_is_bh_on_reciprocals(e: list[float], alpha: float) -> None:
    rejected = e_benjamini_hochberg(e, alpha=alpha)
    p = np.minimum(1.0, 1.0 / np.maximum(e, 1e-12))
    adjusted = benjamini_hochberg(p)
    clear = np.abs(adjusted - alpha) > 1e-9
    assert (rejected == (adjusted <= alpha))[clear].all()


def test_e_bh_examples() -> None:
    assert e_benjamini_hochberg([100.0, 1.0, 45.0, 0.0], alpha=0.05).tolist() == [True, False, True, False]
    assert not e_benjamini_hochberg([19.9], alpha=0.05).any()
    assert e_benjamini_hochberg([np.inf, 0.0], alpha=0.05).tolist() == [True, False]
    assert len(e_benjamini_hochberg([], alpha=0.05)) == 0


def test_e_bh_controls_under_any_dependence() -> None:
    """One coin decides for all tests: 1 in 200 times all have e = 200; nothing is ever true."""
    rng = np.random.default_rng(1)
    false = sum(e_benjamini_hochberg(np.full(50, 20.0 * (rng.random() < 0.05)), alpha=0.05).any() for _ in range(2000))
    assert false / 2000 <= 0.065


@pytest.mark.parametrize(
    "ask",
    [
        lambda: benjamini_hochberg([1.1]),
        lambda: holm([-0.1]),
        lambda: bonferroni([np.nan]),
        lambda: e_benjamini_hochberg([-1.0], alpha=0.05),
        lambda: e_benjamini_hochberg([1.0], alpha=0.0),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()
