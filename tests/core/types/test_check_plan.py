"""Checks made ready: bounds in the terms of their columns, and mistakes refused by name."""

from __future__ import annotations

import math

import pytest

from clew.core.errors import Invalid
from clew.core.types.check_plan import plan_checks, unknown_column
from clew.core.types.check_report import CheckKind, CheckReport, CheckResult, Scope, shown
from clew.core.types.checks import Checks, CheckSeverity, ColumnCheck, ColumnType, RuleCheck, Unknown


def plan_of(**asked: object) -> object:
    return plan_checks(Checks(columns={"c": ColumnCheck(**asked)})).columns[0]  # type: ignore[arg-type]


def test_a_fraction_on_an_integer_column_goes_inwards() -> None:
    plan = plan_checks(Checks(columns={"c": ColumnCheck(type=ColumnType.INTEGER, min=0.5, max=2.5)})).columns[0]
    assert (plan.low, plan.high) == (1, 2)


def test_an_infinite_bound_is_none() -> None:
    plan = plan_checks(Checks(columns={"c": ColumnCheck(type=ColumnType.NUMBER, min=-math.inf, max=1)})).columns[0]
    assert (plan.low, plan.high) == (None, 1.0)


def test_bounds_of_times_are_microseconds() -> None:
    plan = plan_checks(Checks(columns={"c": ColumnCheck(type=ColumnType.DATE, min="1970-01-02")})).columns[0]
    assert plan.low == 86_400_000_000


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"min": 1}, "min and max need"),
        ({"type": "string", "min": 1}, "min and max need"),
        ({"type": "integer", "min": 2, "max": 1}, "above max"),
        ({"type": "integer", "min": 1.2, "max": 1.8}, "above max"),
        ({"type": "integer", "min": 2**63}, "beyond 64 bits"),
        ({"type": "integer", "max": 1e300}, "beyond 64 bits"),
        ({"type": "number", "min": 10**400}, "beyond 64 bits"),
        ({"type": "number", "min": math.nan}, "no number"),
        ({"type": "number", "min": "1"}, "no number"),
        ({"type": "time", "min": "soon"}, "no time"),
        ({"type": "date", "min": 3}, "no date"),
        ({"type": "integer", "values": [1.5]}, "no integer"),
        ({"type": "integer", "values": [True]}, "no integer"),
        ({"type": "string", "values": []}, "allows nothing"),
        ({"type": "time", "values": ["x"]}, "values need"),
        ({"type": "number", "pattern": "a"}, "pattern need"),
        ({"type": "string", "pattern": "("}, "pattern '('"),
        ({"type": "string", "min_length": 3, "max_length": 2}, "no text has"),
        ({"type": "integer", "max_length": 2}, "max_length need"),
        ({"nulls": 1.5}, "no share"),
        ({"nulls": math.nan}, "no share"),
        ({"type": "string", "max_age_hours": 3}, "max_age_hours need"),
        ({"type": "time", "max_age_hours": 0}, "no age"),
        ({"type": "time", "max_age_hours": 1e300}, "no age"),
        ({"type": "string", "min_length": -1}, "no text has -1 or more"),
        ({"type": "string", "min_length": 10**30}, "no text has 1000"),
        ({"type": "string", "max_length": 10**400}, "no text has 0 to 1000"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_column(asked: dict[str, object], why: str) -> None:
    if "type" in asked:
        asked = {**asked, "type": ColumnType(str(asked["type"]))}
    with pytest.raises(Invalid) as caught:
        plan_of(**asked)
    assert "column 'c'" in str(caught.value)
    assert why in str(caught.value)


def test_a_rule_needs_typed_columns_and_stands_there_once() -> None:
    with pytest.raises(Invalid, match="no entry with a type"):
        plan_checks(Checks(columns={"c": ColumnCheck()}, rules=["c > 1"]))
    columns = {"c": ColumnCheck(type=ColumnType.INTEGER)}
    with pytest.raises(Invalid, match="twice"):
        plan_checks(Checks(columns=columns, rules=["c > 1", RuleCheck(that="c > 1 ")]))


def test_severity_speaks_of_values_and_not_of_shape() -> None:
    asked = ColumnCheck(type=ColumnType.INTEGER, min=0, unique=True, severity=CheckSeverity.WARN)
    severities = {c.kind: c.severity for c in plan_checks(Checks(columns={"c": asked})).checks()}
    shape = (CheckKind.ROWS, CheckKind.PRESENT, CheckKind.TYPE, CheckKind.NULLS)
    assert {kind for kind, severity in severities.items() if severity is CheckSeverity.ERROR} == set(shape)


def test_a_share_of_missing_values_is_a_matter_of_tables() -> None:
    scopes = [
        plan_checks(Checks(columns={"c": ColumnCheck(nulls=share)})).columns[0].checks[CheckKind.NULLS].scope
        for share in (0.0, 0.1)
    ]
    assert scopes == [Scope.ROW, Scope.TABLE]


def test_only_keeps_what_speaks_of_the_columns() -> None:
    columns = {name: ColumnCheck(type=ColumnType.INTEGER) for name in "abc"}
    checks = Checks(columns=columns, rules=["a < b", RuleCheck(that="b < c")])
    kept = checks.only(["b", "a", "z"])
    assert list(kept.columns) == ["b", "a"]
    assert kept.rules == ["a < b"]


def test_equal_checks_have_equal_digests() -> None:
    one, other = Checks(min_rows=1), Checks(min_rows=2)
    assert plan_checks(one).digest == plan_checks(Checks()).digest != plan_checks(other).digest


def test_a_report_passes_with_warnings_only() -> None:
    plan = plan_checks(Checks(columns={"c": ColumnCheck(type=ColumnType.INTEGER, min=0, severity=CheckSeverity.WARN)}))
    results = [CheckResult(check=c, failed=int(c.kind is CheckKind.RANGE)) for c in plan.checks()]
    report = CheckReport(checks=plan.digest, rows=1, judged_us=0, results=results)
    assert report.passed
    assert [result.check.name for result in report.warnings] == ["c.range"]
    assert not CheckReport(
        checks=plan.digest, rows=1, judged_us=0, results=[CheckResult(check=plan.rows, failed=1)]
    ).passed


def test_values_are_shown_shortened() -> None:
    assert shown("x" * 200) == "'" + "x" * 78 + "…"
    assert shown({"a": 1, "b": None}) == "a=1, b=None"


@pytest.mark.parametrize(
    ("asked", "kind", "says"),
    [
        ({"type": "integer", "min": 1}, CheckKind.RANGE, "at least 1"),
        ({"type": "integer", "max": 5}, CheckKind.RANGE, "at most 5"),
        ({"type": "integer", "min": 1, "max": 5}, CheckKind.RANGE, "1 to 5"),
        ({"type": "integer", "min": 3, "max": 3}, CheckKind.RANGE, "3 to 3"),
        ({"type": "string", "min_length": 2}, CheckKind.LENGTH, "has at least 2 characters"),
        ({"type": "string", "max_length": 2}, CheckKind.LENGTH, "has at most 2 characters"),
        ({"type": "string", "min_length": 1, "max_length": 1}, CheckKind.LENGTH, "has 1 to 1 characters"),
        ({"type": "integer", "values": [1, 2, 3, 4, 5]}, CheckKind.VALUES, "one of 1, 2, 3, 4, 5"),
        ({"type": "integer", "values": [1, 2, 3, 4, 5, 6]}, CheckKind.VALUES, "one of 1, 2, 3, 4, 5 and 1 more"),
        ({"nulls": 0}, CheckKind.NULLS, "is not missing"),
        ({"nulls": 0.25}, CheckKind.NULLS, "at most 0.25 of the values are missing"),
        ({"type": "time", "max_age_hours": 2}, CheckKind.FRESH, "at most 2 h old"),
    ],
)
def test_a_check_says_what_it_asks(asked: dict[str, object], kind: CheckKind, says: str) -> None:
    if "type" in asked:
        asked = {**asked, "type": ColumnType(str(asked["type"]))}
    check = plan_of(**asked).checks[kind]
    assert (check.says, check.text, check.name) == (says, f"c: {says}", f"c.{kind}")


def test_what_is_not_asked_is_not_checked() -> None:
    asked = plan_of(required=False, nulls=1)
    assert asked.checks == {}
    assert CheckKind.LENGTH not in plan_of(type=ColumnType.STRING, min_length=0).checks
    assert CheckKind.LENGTH in plan_of(type=ColumnType.STRING, max_length=0).checks


def test_values_keep_their_type() -> None:
    assert plan_of(type=ColumnType.NUMBER, values=[1, 2.5]).values == [1.0, 2.5]
    assert plan_of(type=ColumnType.STRING, values=["a"]).values == ["a"]
    for giant in (2**63, -(2**63) - 1):
        with pytest.raises(Invalid, match="beyond 64 bits"):
            plan_of(type=ColumnType.INTEGER, values=[giant])
    for edge in (2**63 - 1, -(2**63)):
        assert plan_of(type=ColumnType.INTEGER, values=[edge]).values == [edge]
        assert plan_of(type=ColumnType.INTEGER, min=edge).low == edge
    with pytest.raises(Invalid, match="no number"):
        plan_of(type=ColumnType.NUMBER, values=[math.nan])


@pytest.mark.parametrize("rows", [-1, 2**63])
def test_impossible_numbers_of_rows_are_refused(rows: int) -> None:
    with pytest.raises(Invalid, match="no number of rows"):
        plan_checks(Checks(min_rows=rows))
    assert plan_checks(Checks(min_rows=2**63 - 1)).min_rows == 2**63 - 1


def test_columns_without_a_check_are_errors_or_warnings() -> None:
    for unknown, severity in ((Unknown.ERROR, CheckSeverity.ERROR), (Unknown.WARN, CheckSeverity.WARN)):
        check = unknown_column("x", unknown)
        assert (check.name, check.severity, check.scope) == ("x.unknown", severity, Scope.ROW)
