from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from clew.core.errors import Invalid
from clew.stats.auc import (
    auc,
    auc_by_unit,
    auc_from_histograms,
    auc_one_vs_rest,
    auc_one_vs_rest_by_unit,
    delong,
    delong_difference,
)

rows = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=60).filter(
    lambda pairs: len({label for _, label in pairs}) == 2
)


@given(rows)
def test_ties_and_all_follow_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    scores, labels = zip(*pairs, strict=True)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@given(rows)
def test_order_monotone_maps_and_mirrors(pairs: list[tuple[int, bool]]) -> None:
    scores, labels = (np.array(side) for side in zip(*pairs, strict=True))
    value = auc(scores, labels)
    assert auc(scores[::-1], labels[::-1]) == value
    assert auc(np.exp(scores.astype(float)), labels) == value
    assert auc(-scores, labels) == pytest.approx(1.0 - value)
    assert auc(scores, ~labels) == pytest.approx(1.0 - value)


@given(rows)
def test_every_interval_stays_inside_and_holds_its_value(pairs: list[tuple[int, bool]]) -> None:
    scores, labels = (np.array(side) for side in zip(*pairs, strict=True))
    if min(labels.sum(), (~labels).sum()) >= 2:
        ours = delong(scores, labels)
        assert 0.0 <= ours.low <= ours.value <= ours.high <= 1.0
        assert ours.width > 0.0
    bins = auc_from_histograms(*(np.bincount(scores[side] + 5, minlength=11) for side in (labels, ~labels)))
    assert bins.value == pytest.approx(auc(scores, labels))
    coarse = auc_from_histograms(*(np.bincount((scores[side] + 5) // 4, minlength=3) for side in (labels, ~labels)))
    assert coarse.low - 1e-12 <= auc(scores, labels) <= coarse.high + 1e-12


def placements(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pairs = np.sign(scores[labels][:, None] - scores[~labels][None, :]) / 2 + 0.5
    return pairs.mean(axis=1), pairs.mean(axis=0)


def test_delong_is_the_variance_of_all_pairs() -> None:
    rng = np.random.default_rng(1)
    labels = rng.random(150) < 0.4
    one, other = (np.round(rng.normal(labels * shift, 1.0), 1) for shift in (1.0, 0.7))
    (a1, b1), (a2, b2) = placements(one, labels), placements(other, labels)
    ours = delong_difference(one, other, labels)
    sd = np.sqrt((a1 - a2).var(ddof=1) / len(a1) + (b1 - b2).var(ddof=1) / len(b1))
    assert ours.value == pytest.approx(auc(one, labels) - auc(other, labels))
    assert ours.width == pytest.approx(2 * 1.959964 * sd, rel=1e-6)
    single = delong(one, labels)
    sd = np.sqrt(a1.var(ddof=1) / len(a1) + b1.var(ddof=1) / len(b1))
    logits = np.log([single.low / (1 - single.low), single.high / (1 - single.high)])
    assert logits[1] - logits[0] == pytest.approx(2 * 1.959964 * sd / (single.value * (1 - single.value)), rel=1e-6)


REPETITIONS = 2000
WITHIN = 3 * math.sqrt(0.95 * 0.05 / REPETITIONS)
"""Three standard errors of a share of 95 % over so many repetitions."""


def test_delong_covers() -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(80) < 30
    scores = rng.normal(labels * 1.0, 1.0, (REPETITIONS, 80))
    held = sum(delong(row, labels).holds(0.7602499) for row in scores)
    assert held / REPETITIONS == pytest.approx(0.95, abs=WITHIN)


@pytest.mark.parametrize(("units", "uneven"), [(15, False), (40, False), (40, True)])
def test_by_unit_covers(units: int, uneven: bool) -> None:
    """Units move the scores of their rows; each is as good a ranking as any other, so that the truth is known."""
    rng = np.random.default_rng(units)
    held = by_row = 0
    for _ in range(REPETITIONS):
        sizes = 1 + rng.geometric(1 / 30, units) if uneven else np.full(units, 30)
        codes = np.repeat(np.arange(units), sizes)
        labels = rng.random(len(codes)) < 0.3
        scores = labels * math.sqrt(2.0) + rng.normal(0.0, 1.0, units)[codes] + rng.normal(size=len(codes))
        held += auc_by_unit(scores, labels, codes).holds(TRUTH_BY_UNIT)
        by_row += delong(scores, labels).holds(TRUTH_BY_UNIT)
    assert held / REPETITIONS == pytest.approx(0.95, abs=0.01 + WITHIN)
    assert by_row <= held


TRUTH_BY_UNIT = 0.7602499
"""Φ(√2/√(2 · 2)): a positive and a negative of two units differ by √2, with a deviation of 2."""


def test_a_perfect_ranking_is_not_certain() -> None:
    perfect = delong([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
    assert perfect.value == perfect.high == 1.0
    assert perfect.low < 0.5


def test_units_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    units = np.repeat(np.arange(20), 40)
    labels = rng.random(800) < np.where(units < 10, 0.1, 0.5)
    scores = labels * 1.0 + rng.normal(0, 2, 20)[units] + rng.normal(size=800)
    by_unit = auc_by_unit(scores, labels, units)
    assert by_unit.value == auc(scores, labels)
    assert (by_unit.units, by_unit.method) == (20, "DeLong by unit")
    assert by_unit.holds(by_unit.value)
    assert by_unit.width > 1.5 * delong(scores, labels).width
    alone = auc_by_unit(scores, labels, np.arange(800))
    assert alone.width == pytest.approx(delong(scores, labels).width, rel=0.01)


def test_by_unit_is_obuchowskis_variance() -> None:
    """With units of one make-up the corrections of leverage are all U/(U - 1)."""
    rng = np.random.default_rng(4)
    units, labels = np.repeat(np.arange(12), 10), np.tile(np.arange(10) < 4, 12)
    scores = labels + rng.normal(0, 1, 12)[units] + rng.normal(size=120)
    a, b = placements(scores, labels)
    value = a.mean()
    pulls = np.bincount(units[labels], a - value) / len(a) + np.bincount(units[~labels], b - value) / len(b)
    half = stats.t.isf(0.025, 11) * math.sqrt(12 / 11 * (pulls**2).sum()) / (value * (1 - value))
    ours = auc_by_unit(scores, labels, units)
    assert ours.low == pytest.approx(1 / (1 + math.exp(half - math.log(value / (1 - value)))), rel=1e-9)


def test_without_spread_units_are_trials() -> None:
    perfect = auc_by_unit([0.1, 0.9, 0.2, 0.8, 0.3, 0.7], [0, 1, 0, 1, 0, 1], ["a", "a", "b", "b", "c", "c"])
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert perfect.low < 0.3
    equal = auc_by_unit([0.5] * 6, [0, 1, 0, 1, 0, 1], ["a", "a", "b", "b", "c", "c"])
    assert equal.low < 0.2 < equal.value == 0.5 < 0.8 < equal.high


@pytest.mark.parametrize(
    "ask",
    [
        lambda: auc([1.0, 2.0], [1, 1]),
        lambda: auc([1.0, np.nan], [0, 1]),
        lambda: auc([1.0, 2.0], [0, 2]),
        lambda: auc([1.0], [0, 1]),
        lambda: delong([1.0, 2.0, 3.0], [0, 1, 1]),
        lambda: auc_from_histograms([1, 2], [0, 0]),
        lambda: auc_from_histograms([1, 2], [1]),
        lambda: auc_by_unit([1.0, 2.0, 1.5, 2.5], [0, 1, 0, 1], ["d"] * 4),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()


several = st.lists(st.tuples(*[st.integers(-5, 5)] * 3, st.integers(0, 2)), min_size=3, max_size=40).filter(
    lambda rows: len({truth for *_, truth in rows}) == 3
)


@given(several)
def test_one_against_the_rest_follows_scikit_learn(rows: list[tuple[int, int, int, int]]) -> None:
    scores, truths = np.array([row[:3] for row in rows], dtype=float), np.array([row[3] for row in rows])
    wanted = np.mean([roc_auc_score(truths == at, scores[:, at]) for at in range(3)])
    assert auc_one_vs_rest(scores, truths) == pytest.approx(wanted, abs=1e-12)
    if np.bincount(truths, minlength=3).min() >= 2:
        found = auc_one_vs_rest_by_unit(scores, truths, np.arange(len(truths)))
        assert found.value == pytest.approx(wanted, abs=1e-12)
        assert 0.0 <= found.low <= found.value <= found.high <= 1.0


def test_two_classes_against_each_other_are_one_auc() -> None:
    rng = np.random.default_rng(8)
    labels = rng.random(400) < 0.4
    scores = rng.normal(labels * 0.8, 1.0)
    table = np.stack([-scores, scores], axis=1)
    found, wanted = auc_one_vs_rest_by_unit(table, labels, np.arange(400)), delong(scores, labels)
    assert found.value == pytest.approx(wanted.value)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.002)


def test_a_class_that_nobody_is_of_is_left_out() -> None:
    scores = np.array([[0.9, 0.1, 0.5], [0.2, 0.8, 0.5], [0.3, 0.4, 0.5], [0.6, 0.5, 0.5]])
    truths = np.array([0, 1, 1, 0])
    assert auc_one_vs_rest(scores, truths) == pytest.approx(
        np.mean([auc(scores[:, 0], truths == 0), auc(scores[:, 1], truths == 1)])
    )
    with pytest.raises(Invalid, match="all rows of one class"):
        auc_one_vs_rest(scores, np.zeros(4, int))
    with pytest.raises(Invalid, match="one unit"):
        auc_one_vs_rest_by_unit(scores, truths, np.zeros(4))


def drawn(
    rng: np.random.Generator, units: NDArray[np.intp], spread: float
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Rows of three classes; those of a unit share how well they can be told apart."""
    truths = rng.integers(0, 3, len(units))
    skill = 1.0 + spread * rng.normal(size=units.max() + 1)[units]
    return rng.normal(size=(len(units), 3)) + skill[:, None] * np.eye(3)[truths], truths


@pytest.mark.parametrize(
    ("units", "spread"), [(np.arange(120), 0.0), (np.repeat(np.arange(20), 15), 1.0)], ids=["by row", "by day"]
)
def test_one_against_the_rest_covers(units: NDArray[np.intp], spread: float) -> None:
    rng = np.random.default_rng(9)
    truth = np.mean([auc_one_vs_rest(*drawn(rng, units, spread)) for _ in range(4000)])
    repetitions = 1000
    held = sum(auc_one_vs_rest_by_unit(*drawn(rng, units, spread), units).holds(truth) for _ in range(repetitions))
    assert held / repetitions == pytest.approx(0.95, abs=0.015 + 3 * math.sqrt(0.95 * 0.05 / repetitions))
