from __future__ import annotations

import numpy as np
import pytest

from clew.stats.sequential.betting import BettingSequence, _stakes


def test_stakes_are_laid_before_the_value_is_seen() -> None:
    known = [0.2, 0.9, 0.4]
    low, high = (_stakes(np.array([*known, last, 0.5]), 0.05) for last in (0.0, 0.7))
    assert low[:4].tolist() == high[:4].tolist()
    assert low[4] != high[4]


def test_the_bound_is_where_the_capital_first_reached_enough() -> None:
    rng = np.random.default_rng(1)
    x = rng.beta(5, 2, 50)
    state = BettingSequence(0.0, 1.0)
    for value in x:
        state = state.update(float(value))
    bound = state.lower(0.05)

    def most(m: float) -> float:
        staked = np.minimum(_stakes(x, 0.05), 0.75 / m)
        return float(np.cumprod(1.0 + staked * (x - m)).max())

    assert most(bound) == pytest.approx(20.0, rel=1e-6)
    assert most(bound + 0.01) < 20.0 < most(bound - 0.01)
    assert bound < 5 / 7 < state.upper(0.05)


def test_false_positives_of_a_skewed_bounded_value() -> None:
    """Values are 0 in 99 of 100 units: normal theory fails here, betting does not."""
    rng = np.random.default_rng(2)
    wrong = 0
    for xs in (rng.random((150, 100)) < 0.01).astype(float):
        state = BettingSequence(0.0, 1.0, tuple(xs.tolist()))
        wrong += state.upper(0.05) < 0.01
    assert wrong / 150 <= 0.05
