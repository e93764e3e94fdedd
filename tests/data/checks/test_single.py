"""Checks of a request: what the generated function finds, and what never reaches it."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import polars as pl
import pytest

from clew.core.errors import Invalid
from clew.core.types.check_report import CheckKind, Scope
from clew.core.types.checks import Checks, CheckSeverity, ColumnCheck, ColumnType, Unknown
from clew.data.checks.batch import check_table
from clew.data.checks.single import compile_request

TYPES = {kind.value: kind for kind in ColumnType}


def failing(checks: Checks, **columns: list[object]) -> list[tuple[str, int | None]]:
    return [(found.check, found.row) for found in compile_request(checks)(columns)]


def test_a_violation_says_which_check_row_and_value() -> None:
    checks = Checks(columns={"c": ColumnCheck(type=ColumnType.INTEGER, max=3, severity=CheckSeverity.WARN)})
    (found,) = compile_request(checks)({"c": [1, 9]})
    assert (found.check, found.column, found.row, found.value) == ("c.range", "c", 1, "9")
    assert (found.kind, found.severity, found.says) == (CheckKind.RANGE, CheckSeverity.WARN, "at most 3")
    assert found.text == "c is 9 in row 1: at most 3"


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("integer", [1, -5, 2.0, 2**63 - 1], [True, 1.5, "1", math.inf, 2**63, 2.0**63, [1]]),
        ("number", [1, 1.5, math.inf], [True, "1", 10**400, {}]),
        ("boolean", [True, False], [0, 1.0, "true"]),
        ("string", ["", "a"], [1, b"a", True]),
        (
            "time",
            [datetime(2013, 1, 1, tzinfo=UTC), "2013-01-01T05:00:00Z", "2013-01-01", 5],
            ["noon", 1.5, True, None],
        ),
        ("date", [date(2013, 1, 1), "2013-01-01", 0], ["2013-01-01T05:00:00Z", datetime(2013, 1, 1, tzinfo=UTC), 5]),
    ],
)
def test_types(kind: str, good: list[object], bad: list[object]) -> None:
    checks = Checks(columns={"c": ColumnCheck(type=TYPES[kind], nulls=0)})
    assert failing(checks, c=good) == []
    assert [row for _, row in failing(checks, c=bad)] == list(range(len(bad)))


def test_times_in_all_their_forms_are_one_time() -> None:
    checks = Checks(columns={"t": ColumnCheck(type=ColumnType.TIME)}, rules=["t == '2013-01-01T05:00:00Z'"])
    at = datetime(2013, 1, 1, 5, tzinfo=UTC)
    naive = at.replace(tzinfo=None)
    assert failing(checks, t=[at, naive, at.isoformat(), "2013-01-01T00:00:00-05:00", 1_357_016_400_000_000]) == []


def test_missing_is_none_and_nan_and_every_other_check_skips_it() -> None:
    asked = ColumnCheck(type=ColumnType.NUMBER, min=0, values=[1])
    checks = Checks(columns={"c": asked}, rules=["c > 0"])
    assert failing(checks, c=[None, math.nan]) == [("c.nulls", 0), ("c.nulls", 1)]


def test_what_only_tables_can_tell_is_left_out() -> None:
    asked = ColumnCheck(type=ColumnType.TIME, nulls=0.1, unique=True, max_age_hours=1)
    checks = Checks(columns={"c": asked}, min_rows=5)
    assert failing(checks, c=[None, None, "2001-01-01", "2001-01-01"]) == []


def test_lacking_and_new_columns() -> None:
    checks = Checks(columns={"c": ColumnCheck(), "d": ColumnCheck(required=False)}, unknown_columns=Unknown.ERROR)
    assert failing(checks, new=[1]) == [("c.present", None), ("new.unknown", None)]
    assert failing(checks) == [("c.present", None)]


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(Invalid, match="different lengths"):
        compile_request(Checks())({"a": [1], "b": [1, 2]})


@pytest.mark.parametrize(
    ("rule", "row", "failed"),
    [
        ("x / y > 0", {"x": 1.0, "y": 0.0}, False),
        ("x / y > 0", {"x": -1.0, "y": 1.0}, True),
        ("x - y == 0", {"x": math.inf, "y": math.inf}, False),
        ("x - y != x - y", {"x": math.inf, "y": math.inf}, False),
        ("x * y == x", {"x": 1e308, "y": 1e308}, True),
        ("i == x", {"i": 2**53 + 1, "x": 2.0**53}, False),
        ("i == j", {"i": 2**53 + 1, "j": 2**53}, True),
        ("x > 0 or y > 0", {"x": None, "y": 1.0}, False),
        ("x > 0 or y > 0", {"x": None, "y": -1.0}, False),
        ("x > 0 and y > 0", {"x": None, "y": -1.0}, True),
        ("x is not None", {"x": None, "y": 0.0}, True),
        ("not (x > 0)", {"x": math.nan, "y": 0.0}, False),
    ],
)
def test_rules_mean_the_same_in_a_table(rule: str, row: dict[str, object], failed: bool) -> None:
    kinds = {"x": ColumnType.NUMBER, "y": ColumnType.NUMBER, "i": ColumnType.INTEGER, "j": ColumnType.INTEGER}
    checks = Checks(columns={n: ColumnCheck(type=k, nulls=1, required=False) for n, k in kinds.items()}, rules=[rule])
    assert bool(failing(checks, **{name: [value] for name, value in row.items()})) is failed
    stored = {n: pl.Series([v], dtype=pl.Int64 if n in "ij" else pl.Float64) for n, v in row.items()}
    assert check_table(pl.DataFrame(stored), checks, now_us=0).passed is not failed


def test_nothing_that_a_user_wrote_is_executed() -> None:
    name = "x'); raise SystemExit  #"
    asked = ColumnCheck(type=ColumnType.STRING, values=['"""; raise SystemExit'], pattern="[(]", min_length=1)
    checks = Checks(columns={name: asked}, rules=[f"""column("{name}") != '\\n raise SystemExit'"""])
    assert len(failing(checks, **{name: ["a"]})) == 2


def test_a_whole_number_as_float_is_out_of_range_where_a_table_cannot_hold_it() -> None:
    checks = Checks(columns={"c": ColumnCheck(type=ColumnType.INTEGER)})
    values = [2.0**63, -(2.0**63), 2.0**53, 0.5]
    in_table = check_table(pl.DataFrame({"c": values}), checks, now_us=0)
    wrong = next(result for result in in_table.results if result.check.kind is CheckKind.TYPE)
    assert [example.row for example in wrong.examples] == [row for _, row in failing(checks, c=values)] == [0, 3]


def test_all_checks_of_the_plan_that_speak_of_rows_can_fail() -> None:
    asked = ColumnCheck(type=ColumnType.STRING, values=["A"], pattern="A", max_length=1)
    checks = Checks(columns={"c": asked, "d": ColumnCheck()}, rules=["c == 'A'"], unknown_columns=Unknown.ERROR)
    kinds = {found.kind for found in compile_request(checks)({"c": ["BB", None, 3], "e": [1, 1, 1]})}
    table = {CheckKind.ROWS, CheckKind.UNIQUE, CheckKind.FRESH, CheckKind.RANGE}
    assert kinds == set(CheckKind) - table
    assert Scope.ROW == "row"
