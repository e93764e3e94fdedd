"""Searches find what the filter lets through, in order, page by page."""

from __future__ import annotations

import math

import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid, NotFound
from clew.core.judging import value_of
from clew.core.types.run import RunStatus
from clew.testing.runs import a_block, a_run
from clew.tracking.runs import LedgerRuns
from clew.tracking.where import parse_field


@pytest.fixture
def runs(stores: Stores) -> LedgerRuns:
    """Twelve runs; `auc` is missing in every fourth and NaN in one."""
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
    page = runs.search(where=text, sort=order.replace(" ", ","), **options)  # type: ignore[arg-type]
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
    after, found = "", []
    for _ in range(20):
        page = runs.search(where="param.depth != 1", limit=limit, after=after)
        found += [each.run.name for each in page.items]
        after = page.next
        if not after:
            break
    assert found == [f"run {number}" for number in (11, 9, 8, 6, 5, 3, 2, 0)]


def test_pages_of_other_lengths_go_on_where_the_one_before_ended(runs: LedgerRuns) -> None:
    after, found = "", []
    for limit in (4, 1, 3, 2, 9):
        page = runs.search(limit=limit, after=after)
        found += [each.run.name for each in page.items]
        after = page.next
    assert found == [f"run {number}" for number in range(11, -1, -1)]
    assert after == ""


@pytest.mark.parametrize("order", ["-metric.auc", "param.mixed,-created", "experiment,status"])
def test_pages_of_an_order_join_too(runs: LedgerRuns, order: str) -> None:
    whole, after, found = runs.search(sort=order).items, "", []
    for _ in range(20):
        page = runs.search(sort=order, limit=5, after=after)
        found += page.items
        after = page.next
        if not after:
            break
    assert [one.run.id for one in found] == [one.run.id for one in whole]


def test_metrics_come_along_as_asked(runs: LedgerRuns) -> None:
    runs.append([a_block("j:0-0", run=f"{7:032x}", key="loss")])
    for metrics, expected in ((None, {"auc", "loss"}), (["auc"], {"auc"}), ([], set())):
        (found,) = runs.search(where="id ~ '0007'", metrics=metrics).items
        assert set(found.metrics) == expected


def test_what_cannot_be_a_page_is_refused(runs: LedgerRuns) -> None:
    for options in ({"limit": 0}, {"limit": 10_001}, {"after": "x"}, {"sort": "name", "after": "x"}):
        with pytest.raises(Invalid):
            runs.search(**options)  # type: ignore[arg-type]


def test_a_search_for_very_many_fields_is_refused(runs: LedgerRuns) -> None:
    def asked(fields: int) -> str:
        return " or ".join(f"param.p{number} = 1 or param.p{number} = 2" for number in range(fields))

    sort = ",".join(f"metric.m{number}" for number in range(40))
    assert runs.search(where=asked(60), sort=sort).items == []
    for where, order in ((asked(101), ""), (asked(61), sort)):
        with pytest.raises(Invalid, match="at most 100 fields, not 101"):
            runs.search(where=where, sort=order)


def test_a_filter_that_metrics_and_parameters_decide_together(runs: LedgerRuns) -> None:
    assert names(runs, "metric.auc > 0.9 or param.depth = 0 and metric.auc is null") == ["11", "10", "0"]
    assert names(runs, "not (metric.auc > 0.2 or param.depth = 2)") == ["1"]


def test_every_field_has_a_value(runs: LedgerRuns) -> None:
    (found,) = runs.search(where="status = failed").items
    asked = "id name status kind experiment created_by created ended duration metric.auc.mean metric.auc.count"
    values = [value_of(found, parse_field(word)) for word in asked.split()]
    assert values[1:] == ["run 3", "failed", "script", "e1", "ann", 3, 2_000_003, 2.0, 0.3, 1]
    for word in ("parent", "commit", "tag.x", "metric.nothing.max"):
        assert value_of(found, parse_field(word)) is None
