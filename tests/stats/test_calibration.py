from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from clew.core.errors import Invalid
from clew.stats.calibration import brier, calibration_error, calibration_table, log_loss

rng = np.random.default_rng(1)
P = rng.random(500)
Y = rng.random(500) < P
TABLE = rng.dirichlet([1, 1, 1], 300)
CLASSES = rng.integers(0, 3, 300)


def test_scores_follow_scikit_learn() -> None:
    assert brier(P, Y) == pytest.approx(metrics.brier_score_loss(Y, P), rel=1e-12)
    assert log_loss(P, Y) == pytest.approx(metrics.log_loss(Y, P), rel=1e-12)
    assert brier(TABLE, CLASSES) == pytest.approx(
        metrics.brier_score_loss(CLASSES, TABLE, labels=[0, 1, 2], scale_by_half=False), rel=1e-12
    )
    assert log_loss(TABLE, CLASSES) == pytest.approx(metrics.log_loss(CLASSES, TABLE), rel=1e-12)


def test_two_columns_say_the_same_as_one() -> None:
    both = np.stack([1 - P, P], axis=1)
    assert log_loss(both, Y.astype(int)) == pytest.approx(log_loss(P, Y))
    assert brier(both, Y.astype(int)) == pytest.approx(2 * brier(P, Y))


def test_an_impossible_event_costs_a_lot_but_not_infinity() -> None:
    assert log_loss([0.0], [1]) == pytest.approx(-math.log(np.finfo(float).eps))
    assert log_loss([1.0, 0.0], [1, 0]) == pytest.approx(0.0, abs=1e-12)


def test_the_table_counts_every_row_once_and_keeps_ties_together() -> None:
    table = calibration_table(P, Y, bins=10)
    assert table.counts.tolist() == [50.0] * 10
    assert table.counts @ table.predicted == pytest.approx(P.sum())
    assert table.counts @ table.realised == pytest.approx(Y.sum())
    assert (np.diff(table.predicted) > 0).all()
    tied = calibration_table([0.3] * 7 + [0.9], [0, 1, 0, 0, 1, 0, 0, 1], bins=4)
    assert tied.counts.tolist() == [7.0, 1.0]


def test_calibration_error_tells_calibrated_from_not() -> None:
    n = 20_000
    p = rng.random(n)
    y = rng.random(n) < p
    assert calibration_error(p, y) < 0.02
    assert calibration_error(p**2, y) == pytest.approx(1 / 6, abs=0.02)
    assert calibration_error([1.0, 0.0], [0, 1]) == 1.0
    order = rng.permutation(n)
    assert calibration_error(p[order], y[order]) == pytest.approx(calibration_error(p, y))


@pytest.mark.parametrize(
    "ask",
    [
        lambda: brier([1.2], [1]),
        lambda: brier([-0.1], [1]),
        lambda: log_loss([], []),
        lambda: log_loss([[0.5, 0.6]], [0]),
        lambda: log_loss([[0.5, 0.5]], [2]),
        lambda: log_loss([[0.5, 0.5]], [0.5]),
        lambda: brier([math.nan], [1]),
        lambda: calibration_table([0.5], [1], bins=0),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()
