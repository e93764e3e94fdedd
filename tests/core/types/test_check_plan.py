"""Checks made ready: bounds in the terms of their columns, and mistakes refused by name."""

from __future__ import annotations

import math

import pytest

from clew.core.errors import Invalid
from clew.core.types.check_plan import plan_checks
from clew.core.types.check_report import CheckKind, CheckReport, CheckResult, Scope, shown
from clew.core.types.checks import Checks, CheckSeverity, ColumnCheck, ColumnType, RuleCheck


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
