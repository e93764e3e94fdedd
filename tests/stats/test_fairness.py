from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.errors import Invalid
from clew.stats.fairness import fairness
from clew.stats.intervals import wilson

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fairlearn import metrics

rows = st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from("abc")), min_size=6, max_size=80)


def every_cell(pairs: list[tuple[bool, bool, str]]) -> bool:
    seen = {group for _, _, group in pairs}
    return len(seen) > 1 and {(label, group) for label, _, group in pairs} == {
        (label, group) for label in (True, False) for group in seen
    }


@given(rows.filter(every_cell))
@settings(max_examples=20)
def test_gaps_follow_fairlearn(pairs: list[tuple[bool, bool, str]]) -> None:
    labels, decisions, groups = (np.array(side) for side in zip(*pairs, strict=True))
    report = fairness(labels, decisions, groups)
    parity, opportunity, odds = report.demographic_parity, report.equal_opportunity, report.equalised_odds
    asked = {"y_true": labels, "y_pred": decisions, "sensitive_features": groups}
    assert parity is not None
    assert opportunity is not None
    assert odds is not None
    assert parity.difference.value == pytest.approx(metrics.demographic_parity_difference(**asked))
    assert opportunity.difference.value == pytest.approx(metrics.equal_opportunity_difference(**asked))
    assert odds.difference.value == pytest.approx(metrics.equalized_odds_difference(**asked))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ratios = [metrics.demographic_parity_ratio(**asked), metrics.equal_opportunity_ratio(**asked)]
        ratios.append(metrics.equalized_odds_ratio(**asked))
    for gap, theirs in zip((parity, opportunity, odds), ratios, strict=True):
        if np.isfinite(theirs):
            assert gap.ratio.value == pytest.approx(theirs)
        for interval in (gap.difference, gap.ratio):
            assert 0.0 <= interval.low <= interval.value + 1e-12
            assert interval.value - 1e-12 <= interval.high <= 1.0


def test_rates_are_wilsons() -> None:
    report = fairness([1, 1, 0, 0, 1, 0], [1, 0, 1, 0, 1, 0], ["x"] * 4 + ["y"] * 2)
    x, y = report.groups
    assert (x.group, x.rows, y.rows) == ("x", 4, 2)
    assert x.selection == wilson(2, 4)
    assert x.true_positive == wilson(1, 2)
    assert y.false_positive == wilson(0, 1)


def simulate(rng: np.random.Generator, chances: list[float], rows_of_group: int, day_sd: float = 0.0) -> tuple:
    groups = np.repeat(np.arange(len(chances)), rows_of_group)
    days = rng.integers(0, 20, len(groups))
    move = rng.normal(0.0, day_sd, (len(chances), 20))[groups, days]
    decisions = rng.random(len(groups)) < np.clip(np.array(chances)[groups] + move, 0, 1)
    return np.ones(len(groups), bool), decisions, groups, days


def test_gaps_are_covered_and_not_only_for_two_groups() -> None:
    rng = np.random.default_rng(1)
    for chances, least in (([0.3, 0.5], 0.92), ([0.3, 0.3, 0.3, 0.3], 0.95)):
        held = 0
        for _ in range(300):
            labels, decisions, groups, _ = simulate(rng, chances, 80)
            gap = fairness(labels, decisions, groups).demographic_parity
            assert gap is not None
            held += gap.difference.holds(max(chances) - min(chances)) and gap.ratio.holds(min(chances) / max(chances))
        assert held / 300 >= least


def test_units_widen_where_they_move_together() -> None:
    rng = np.random.default_rng(2)
    held = 0
    widths = []
    for _ in range(200):
        labels, decisions, groups, days = simulate(rng, [0.3, 0.5], 1000, day_sd=0.08)
        gap = fairness(labels, decisions, groups, units=days).demographic_parity
        alone = fairness(labels, decisions, groups).demographic_parity
        assert gap is not None
        assert alone is not None
        held += gap.difference.holds(0.2)
        widths.append(gap.difference.width / alone.difference.width)
    assert held / 200 >= 0.92
    assert np.mean(widths) > 1.15


def test_groups_that_lack_rows_are_named() -> None:
    report = fairness([1, 0, 1, 0, 0, 0], [1, 0, 0, 1, 1, 0], ["a", "a", "b", "b", "c", "c"])
    assert report.equal_opportunity is not None
    assert report.equal_opportunity.left_out == ("c",)
    assert report.groups[2].true_positive is None
    assert report.demographic_parity is not None
    assert report.demographic_parity.left_out == ()
    assert fairness([1, 0], [1, 0], ["a", "a"]).demographic_parity is None
    few = fairness([1, 1, 1, 1], [1, 0, 1, 0], ["a", "a", "b", "b"], units=[1, 2, 1, 1])
    assert few.groups[1].selection is None


def test_nobody_decided_yes_is_equal_but_not_certain() -> None:
    gap = fairness([1, 0] * 20, [0] * 40, ["a"] * 20 + ["b"] * 20).demographic_parity
    assert gap is not None
    assert (gap.difference.value, gap.difference.low, gap.ratio.value) == (0.0, 0.0, 1.0)
    assert gap.difference.high > 0.1
    assert gap.ratio.low == 0.0


def test_two_units_are_enough() -> None:
    rows = 40
    labels, groups = [at % 2 for at in range(rows)], ["ab"[at // 2 % 2] for at in range(rows)]
    gap = fairness(labels, labels, groups, units=[at // 20 for at in range(rows)]).demographic_parity
    assert gap is not None
    assert gap.difference.units == 2


@pytest.mark.parametrize(
    "ask",
    [
        lambda: fairness([1, 0], [1], ["a", "b"]),
        lambda: fairness([1, 3], [1, 0], ["a", "b"]),
        lambda: fairness([1, 0], [1, 0], ["a", "b"], level=2.0),
        lambda: fairness([1, 0], [1, 0], ["a", "b"], units=[1, 1]),
        lambda: fairness([], [], []),
    ],
)
def test_nonsense_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()
