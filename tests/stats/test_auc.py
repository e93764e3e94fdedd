from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from clew.core.errors import Invalid
from clew.stats.auc import auc, auc_by_unit, auc_from_histograms, delong, delong_difference

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


def test_delong_covers() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        labels = np.arange(80) < 30
        held += delong(rng.normal(labels * 1.0, 1.0), labels).holds(0.7602499)
    assert 0.92 <= held / 400 <= 0.98


def test_a_perfect_ranking_is_not_certain() -> None:
    perfect = delong([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
    assert perfect.value == perfect.high == 1.0
    assert perfect.low < 0.5


def test_units_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    units = np.repeat(np.arange(20), 40)
    labels = rng.random(800) < 0.3
    scores = labels * 1.0 + rng.normal(0, 2, 20)[units] + rng.normal(size=800)
    by_unit = auc_by_unit(scores, labels, units, rng=np.random.default_rng(0), replicates=300)
    assert by_unit.value == auc(scores, labels)
    assert by_unit.holds(by_unit.value)
    assert by_unit.width > 1.15 * delong(scores, labels).width
    alone = auc_by_unit(scores, labels, np.arange(800), rng=np.random.default_rng(0), replicates=300)
    assert alone.width == pytest.approx(delong(scores, labels).width, rel=0.15)


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
        lambda: auc_by_unit([1.0, 2.0], [0, 1], ["d", "d"], rng=np.random.default_rng(0)),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()
