"""Checks of a table: what is counted, shown and decided over the whole of it."""

from __future__ import annotations

import math
from datetime import datetime

import polars as pl
import pytest

from clew.core.clock import parse_us
from clew.core.types.check_report import CheckResult, Example
from clew.core.types.checks import Checks, CheckSeverity, ColumnCheck, ColumnType, RuleCheck, Unknown
from clew.data.checks.batch import check_table


def results(frame: pl.DataFrame | pl.LazyFrame, checks: Checks, *, now_us: int = 0) -> dict[str, CheckResult]:
    return {result.check.name: result for result in check_table(frame, checks, now_us=now_us).results}


def one(**asked: object) -> Checks:
    return Checks(columns={"c": ColumnCheck(**asked)})  # type: ignore[arg-type]


def test_failed_rows_are_counted_and_a_few_are_shown() -> None:
    frame = pl.DataFrame({"c": [5, -1] * 10})
    found = results(frame, one(type=ColumnType.INTEGER, min=0))["c.range"]
    assert found.failed == 10
    assert found.examples == [Example(row, "-1") for row in (1, 3, 5, 7, 9)]


def test_a_lazy_frame_is_checked_without_being_collected_first() -> None:
    assert results(pl.LazyFrame({"c": [1, -1]}), one(type=ColumnType.INTEGER, min=0))["c.range"].failed == 1


@pytest.mark.parametrize(("nulls", "failed"), [(0.0, 2), (0.49, 2), (0.5, 0), (1.0, None)])
def test_a_share_of_missing_values_counts_null_and_nan(nulls: float, failed: int | None) -> None:
    found = results(pl.DataFrame({"c": [1.0, 2.0, None, math.nan]}), one(nulls=nulls))
    assert (found["c.nulls"].failed if "c.nulls" in found else None) == failed


def test_the_second_of_two_equal_values_is_not_unique_and_missing_ones_are_none() -> None:
    found = results(pl.DataFrame({"c": ["a", None, "b", "a", None]}), one(nulls=1.0, unique=True))["c.unique"]
    assert found.examples == [Example(3, "'a'")]


@pytest.mark.parametrize(("age", "failed"), [(23.0, 2), (24.0, 0)])
def test_age_is_that_of_the_newest(age: float, failed: int) -> None:
    frame = pl.DataFrame({"c": [datetime(2013, 1, 1), datetime(2013, 1, 2)]})  # noqa: DTZ001
    now_us = parse_us("2013-01-03T00:00:00Z")
    found = results(frame, one(type=ColumnType.TIME, max_age_hours=age), now_us=now_us)["c.fresh"]
    assert found.failed == failed
    assert found.found == ("the newest is 24.0 h old" if failed else "")


def test_a_wrong_type_says_how_the_column_is_stored_and_hides_no_other_check() -> None:
    found = results(pl.DataFrame({"c": ["1", None]}), one(type=ColumnType.INTEGER, min=0))
    assert (found["c.type"].failed, found["c.type"].found) == (1, "stored as String")
    assert found["c.nulls"].failed == 1
    assert found["c.range"].failed == 0


def test_columns_that_lack_or_are_new() -> None:
    found = results(pl.DataFrame({"new": [1, 2]}), one())
    assert (found["c.present"].failed, found["c.nulls"].failed) == (2, 0)
    assert found["new.unknown"].check.severity is CheckSeverity.WARN
    assert "new.unknown" not in results(pl.DataFrame({"new": [1]}), Checks(unknown_columns=Unknown.ALLOW))
    strict = check_table(pl.DataFrame({"new": [1]}), Checks(unknown_columns=Unknown.ERROR), now_us=0)
    assert not strict.passed


@pytest.mark.parametrize("frame", [pl.DataFrame(), pl.DataFrame({"c": []}), pl.DataFrame(schema={"c": pl.Float64})])
def test_an_empty_table_has_too_few_rows(frame: pl.DataFrame) -> None:
    checks = one(type=ColumnType.NUMBER, required=False, min=0, unique=True)
    report = check_table(frame, checks, now_us=0)
    assert [result.check.name for result in report.errors] == ["rows"]
    assert check_table(frame, Checks(columns=checks.columns, min_rows=0), now_us=0).passed


def test_a_rule_shows_the_columns_that_it_reads() -> None:
    checks = Checks(
        columns={"a": ColumnCheck(type=ColumnType.INTEGER), "b": ColumnCheck(type=ColumnType.INTEGER)},
        rules=[RuleCheck(that="a <= b", severity=CheckSeverity.WARN)],
    )
    report = check_table(pl.DataFrame({"a": [1, 3], "b": [2, 2]}), checks, now_us=0)
    assert [r.examples for r in report.warnings] == [[Example(1, "a=3, b=2")]]
    assert report.passed


def test_columns_may_have_any_name() -> None:
    frame = pl.DataFrame({"row": [1], "rows": [1], 'a "b" [c]': [-1], "failed 0": [1]})
    checks = Checks(columns={'a "b" [c]': ColumnCheck(type=ColumnType.INTEGER, min=0), "row": ColumnCheck()})
    assert results(frame, checks)['a "b" [c].range'].failed == 1
    rule = Checks(columns=checks.columns, rules=["""column('a "b" [c]') > 0"""])
    assert not check_table(frame, rule, now_us=0).passed


def test_every_check_is_in_the_report_in_order() -> None:
    checks = Checks(columns={"c": ColumnCheck(type=ColumnType.INTEGER, min=0)}, rules=["c > 1"])
    report = check_table(pl.DataFrame({"c": [2]}), checks, now_us=7)
    assert [r.check.name for r in report.results] == [
        "rows",
        "c.present",
        "c.type",
        "c.nulls",
        "c.range",
        "rule: c > 1",
    ]
    assert (report.rows, report.judged_us) == (1, 7)
