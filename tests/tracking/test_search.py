"""Searches find what the filter lets through, in order, page by page."""

from __future__ import annotations

import math

import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import NotFound
from clew.core.types.run import RunStatus
from clew.testing.runs import a_block, a_run
from clew.tracking.runs import LedgerRuns
from clew.tracking.search import Order, search, value_of
from clew.tracking.where import parse_field, parse_filter


@pytest.fixture
def runs(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> LedgerRuns:
    """Twelve runs; `auc` is missing in every fourth and NaN in one."""
    monkeypatch.setattr("clew.tracking.search._PAGE", 5)
    runs = LedgerRuns(stores)
    for number in range(12):
        run = f"{number:032x}"
        params = {"depth": number % 3, "mixed": number if number % 2 else f"text {number}"}
        runs.create(a_run(run, name=f"run {number}", params=params, created_us=number), experiment=f"e{number % 2}")
        if number % 4:
            value = math.nan if number == 5 else number / 10
            runs.append([a_block("j:0-0", run=run, key="auc", last=value)])
    runs.finish(f"{3:032x}", RunStatus.FAILED, ended_us=2_000_003)
    return runs


def names(runs: LedgerRuns, text: str = "", order: str = "", **options: object) -> list[str]:
    passing = parse_filter(text, now_us=0) if text else None
    orders = [Order(parse_field(word.removeprefix("-")), word.startswith("-")) for word in order.split()]
    page = search(runs, filter=passing, order=orders, **options)  # type: ignore[arg-type]
    return [found.run.name.removeprefix("run ") for found in page.items]


def test_the_newest_come_first(runs: LedgerRuns) -> None:
    assert names(runs) == [str(number) for number in range(11, -1, -1)]


def test_filters_and_experiments_narrow(runs: LedgerRuns) -> None:
    assert names(runs, "metric.auc > 0.6 and param.depth = 1") == ["10", "7"]
    assert names(runs, "metric.auc is null") == ["8", "4", "0"]
    assert names(runs, "status = failed") == ["3"]
    assert names(runs, "duration = 2") == ["3"]
    assert names(runs, "experiment = e1", experiment="e1", limit=2) == ["11", "9"]
    with pytest.raises(NotFound):
        names(runs, experiment="nowhere")


def test_missing_and_nan_come_last_in_both_directions(runs: LedgerRuns) -> None:
    best = ["11", "10", "9", "7", "6", "3", "2", "1"]
    assert names(runs, order="-metric.auc")[:8] == best
    assert names(runs, order="metric.auc")[:8] == best[::-1]
    assert names(runs, order="-metric.auc", limit=2) == best[:2]


def test_ties_fall_to_the_next_field_and_numbers_come_before_texts(runs: LedgerRuns) -> None:
    assert names(runs, order="param.depth -metric.auc")[:6] == ["9", "6", "3", "0", "10", "7"]
    assert names(runs, order="param.mixed")[:7] == ["1", "3", "5", "7", "9", "11", "0"]


@pytest.mark.parametrize("limit", [1, 2, 4, 5, 7])
def test_pages_join_without_gap_or_repeat(runs: LedgerRuns, limit: int) -> None:
    passing, after, found = parse_filter("param.depth != 1", now_us=0), "", []
    for _ in range(20):
        page = search(runs, filter=passing, limit=limit, after=after)
        found += [each.run.name for each in page.items]
        after = page.next
        if not after:
            break
    assert found == [f"run {number}" for number in (11, 9, 8, 6, 5, 3, 2, 0)]


def test_pages_of_other_lengths_go_on_where_the_one_before_ended(runs: LedgerRuns) -> None:
    after, found = "", []
    for limit in (4, 1, 3, 2, 9):
        page = search(runs, limit=limit, after=after)
        found += [each.run.name for each in page.items]
        after = page.next
    assert found == [f"run {number}" for number in range(11, -1, -1)]
    assert after == ""


def test_metrics_are_asked_for_only_where_the_rest_passes(runs: LedgerRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    summaries = runs.summaries
    monkeypatch.setattr(runs, "summaries", lambda ids, keys=(): asked.extend(ids) or summaries(ids, keys=keys))
    passing = parse_filter("metric.auc > 0.6 and param.depth = 1 and name != 'run 4'", now_us=0)
    found = search(runs, filter=passing).items
    assert [(one.run.name, set(one.metrics)) for one in found] == [("run 10", {"auc"}), ("run 7", {"auc"})]
    assert [int(one, 16) for one in asked] == [10, 7, 1, 10, 7]
    asked.clear()
    found = search(runs, filter=parse_filter("param.depth = 1", now_us=0), limit=2).items
    assert [(one.run.name, set(one.metrics)) for one in found] == [("run 10", {"auc"}), ("run 7", {"auc"})]
    assert [int(one, 16) for one in asked] == [10, 7]


def test_a_filter_that_metrics_and_parameters_decide_together(runs: LedgerRuns) -> None:
    assert names(runs, "metric.auc > 0.9 or param.depth = 0 and metric.auc is null") == ["11", "10", "0"]
    assert names(runs, "not (metric.auc > 0.2 or param.depth = 2)") == ["1"]


def test_every_field_has_a_value(runs: LedgerRuns) -> None:
    (found,) = search(runs, filter=parse_filter("status = failed", now_us=0)).items
    asked = "id name status kind experiment created_by created ended duration metric.auc.mean metric.auc.count"
    values = [value_of(found, parse_field(word)) for word in asked.split()]
    assert values[1:] == ["run 3", "failed", "script", "e1", "ann", 3, 2_000_003, 2.0, 0.3, 1]
    for word in ("parent", "commit", "tag.x", "metric.nothing.max"):
        assert value_of(found, parse_field(word)) is None
