"""What several tests of drift draw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

CUTS = stats.norm.ppf(np.linspace(0, 1, 31)[1:-1])


def draw_moving_days(rng: np.random.Generator, days: int, rows: int, deviation: float) -> np.ndarray:
    """Histograms of days whose mean moves: no value below or above what was seen, none missing."""
    edges = CUTS - rng.normal(0.0, deviation, days)[:, None]
    upto = np.concatenate([np.zeros((days, 1)), stats.norm.cdf(edges), np.ones((days, 1))], axis=1)
    counts = rng.multinomial(rows, np.diff(upto, axis=1))
    return np.concatenate([np.zeros((days, 1), int), counts, np.zeros((days, 2), int)], axis=1)


@pytest.fixture
def moving_days() -> Callable[..., np.ndarray]:
    return draw_moving_days
