"""Data checks for a request: plain Python, generated once and compiled once.

The text that is compiled is made of our own words and numbered names only; column names, bounds and messages enter as
constants, so nothing that a user wrote is ever executed. Checks that only have a meaning over a table (uniqueness,
age, a share of missing values, number of rows) are left out. The same rows give the same result as `batch`.
Reasoning and speed: docs/design/checks.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from clew.core.clock import parse_us
from clew.core.errors import Invalid
from clew.core.types.check_plan import CheckPlan, ColumnPlan, RulePlan, plan_checks, unknown_column
from clew.core.types.check_report import Check, CheckKind, Violation, shown
from clew.core.types.checks import Checks, ColumnType, Unknown
from clew.data.checks.match import Matcher
from clew.data.checks.rules_python import rule_lines

__all__ = ["Validator", "compile_request"]

Validator = Callable[[Mapping[str, Sequence[object]]], list[Violation]]
"""Columns of one request, all of the same length, to what is wrong with them; an empty list when nothing is."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_DAY_US = 86_400_000_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def compile_request(checks: Checks) -> Validator:
    """Compile checks for requests.

    Values are plain Python: `int`, `float`, `bool`, `str`, None, and for times `datetime`, `date`, ISO 8601 texts
    (one without a zone is UTC) or integer microseconds since 1970 UTC. Integers may be given as whole floats.

    Raises:
        Invalid: the checks contradict themselves. The function that is returned raises `Invalid` for columns of
            different lengths.
    """
    plan = plan_checks(checks)
    found = _generate(plan)
    named = plan.checks()
    names = frozenset(column.name for column in plan.columns)
    unknown = plan.unknown

    def validate(columns: Mapping[str, Sequence[object]]) -> list[Violation]:
        rows = found(columns)
        violations = [_violation(named[index], row, value) for index, row, value in rows] if rows else []
        if unknown is not Unknown.ALLOW and not columns.keys() <= names:
            violations += [_violation(unknown_column(n, unknown), None, None) for n in columns if n not in names]
        return violations

    return validate


def _violation(check: Check, row: int | None, value: object) -> Violation:
    return Violation(
        check=check.name,
        column=check.column,
        kind=check.kind,
        severity=check.severity,
        row=row,
        value="" if row is None else shown(value),
        says=check.says,
    )


Found = Callable[[Mapping[str, Sequence[object]]], list[tuple[int, int | None, object]]]


class _Source:
    """The lines of the function in the making, and the constants that they name."""

    def __init__(self, plan: CheckPlan) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, object] = {
            "cells": _cells,
            "ragged": _ragged,
            "instant": _instant,
            "day": _day,
            "whole": _whole,
            "real": _real,
        }
        self.index = {check.name: index for index, check in enumerate(plan.checks())}
        self.used = frozenset(name for rule in plan.rules for name in rule.columns)

    def add(self, depth: int, *lines: str) -> None:
        self.lines += ["    " * depth + line for line in lines]

    def constant(self, value: object) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name


def _generate(plan: CheckPlan) -> Found:
    source = _Source(plan)
    source.add(0, "def found(columns):")
    source.add(1, "out = []", "n = len(next(iter(columns.values()))) if columns else 0")
    source.add(1, "for values in columns.values():", "    if len(values) != n: ragged(columns)")
    for number, column in enumerate(plan.columns):
        _column(source, number, column)
    numbers = {column.name: number for number, column in enumerate(plan.columns)}
    for rule in plan.rules:
        _rule(source, rule, numbers)
    source.add(1, "return out")
    namespace = dict(source.constants)
    exec(compile("\n".join(source.lines), "<clew checks>", "exec"), namespace)  # noqa: S102 - see the module's opening
    found: Found = namespace["found"]  # type: ignore[assignment]
    return found


def _column(source: _Source, number: int, column: ColumnPlan) -> None:
    keep = column.name in source.used
    name = source.constant(column.name)
    source.add(1, f"values = columns.get({name})")
    if keep:
        source.add(1, f"c{number} = [None] * n")
    source.add(1, "if values is None:")
    present = column.checks.get(CheckKind.PRESENT)
    source.add(2, f"out.append(({source.index[present.name]}, None, None))" if present else "pass")
    source.add(1, "else:")
    source.add(2, "for i, v in enumerate(values):")
    nulls = column.checks.get(CheckKind.NULLS)
    missing = f"out.append(({source.index[nulls.name]}, i, v))" if nulls and column.nulls == 0 else "pass"
    source.add(3, "if v is None or v != v:", f"    {missing}", "    continue")
    for line in _typed(source, column):
        source.add(3, line)
    for condition, kind in _conditions(source, column):
        source.add(3, f"if {condition}:", f"    out.append(({source.index[column.checks[kind].name]}, i, v))")
    if keep:
        source.add(3, f"c{number}[i] = x")


def _typed(source: _Source, column: ColumnPlan) -> list[str]:
    """Lines that turn the value `v` into `x`, in the terms of the column's kind, or report its type."""
    if column.type is None:
        return ["x = v"]
    wrong = f"out.append(({source.index[column.checks[CheckKind.TYPE].name]}, i, v))"
    simple = {ColumnType.BOOLEAN: "type(v) is bool", ColumnType.STRING: "isinstance(v, str)"}
    if column.type in simple:
        return [f"if not {simple[column.type]}:", f"    {wrong}", "    continue", "x = v"]
    convert = {
        ColumnType.INTEGER: "v if type(v) is int and -9223372036854775808 <= v <= 9223372036854775807 else whole(v)",
        ColumnType.NUMBER: "v if type(v) is float else real(v)",
        ColumnType.TIME: "instant(v)",
        ColumnType.DATE: "day(v)",
    }
    return [f"x = {convert[column.type]}", "if x is None:", f"    {wrong}", "    continue"]


def _conditions(source: _Source, column: ColumnPlan) -> list[tuple[str, CheckKind]]:
    """Under which condition on `x` each check fails."""
    conditions = []
    if CheckKind.RANGE in column.checks:
        low = [] if column.low is None else [f"x < {source.constant(column.low)}"]
        high = [] if column.high is None else [f"x > {source.constant(column.high)}"]
        conditions.append((" or ".join(low + high) or "False", CheckKind.RANGE))
    if CheckKind.VALUES in column.checks:
        conditions.append((f"x not in {source.constant(frozenset(column.values))}", CheckKind.VALUES))
    if column.pattern is not None:
        conditions.append((f"not {source.constant(Matcher(column.pattern))}(x)", CheckKind.PATTERN))
    if CheckKind.LENGTH in column.checks:
        most = "" if column.max_length is None else f" or len(x) > {column.max_length}"
        conditions.append((f"len(x) < {column.min_length}{most}", CheckKind.LENGTH))
    return conditions


def _rule(source: _Source, rule: RulePlan, numbers: Mapping[str, int]) -> None:
    names = {name: f"v{numbers[name]}" for name in rule.columns}
    lines, result = rule_lines(rule.rule, names, source.constant)
    source.add(1, "for i in range(n):")
    source.add(2, *(f"v{numbers[name]} = c{numbers[name]}[i]" for name in rule.columns))
    source.add(2, *lines)
    shows = f"cells(columns, {source.constant(rule.columns)}, i)"
    source.add(2, f"if {result} is False:", f"    out.append(({source.index[rule.check.name]}, i, {shows}))")


def _ragged(columns: Mapping[str, Sequence[object]]) -> None:
    lengths = ", ".join(f"{name}: {len(values)}" for name, values in list(columns.items())[:10])
    raise Invalid(
        f"the columns of a request have different lengths ({lengths})", hint="send one value for each row and column"
    )


def _cells(columns: Mapping[str, Sequence[object]], names: Sequence[str], row: int) -> dict[str, object]:
    return {name: columns[name][row] for name in names if name in columns}


def _whole(value: object) -> int | None:
    """A value as a 64-bit integer, or None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    whole = int(value)
    return whole if -(2**63) <= whole < 2**63 else None


def _real(value: object) -> float | None:
    """A value as a 64-bit float, or None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _instant(value: object) -> int | None:
    """A time as microseconds since 1970 UTC, or None when it is none."""
    if type(value) is int:
        return _whole(value)
    if isinstance(value, datetime):
        return ((value if value.tzinfo is not None else value.replace(tzinfo=UTC)) - _EPOCH) // _US
    if not isinstance(value, str):
        return None
    try:
        return parse_us(value)
    except ValueError:
        return None


def _day(value: object) -> int | None:
    """A date as the microseconds of its midnight UTC, or None when it is none."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return (value.toordinal() - _EPOCH_DAY) * _DAY_US
    if type(value) is int:
        return _whole(value) if value % _DAY_US == 0 else None
    if not isinstance(value, str):
        return None
    try:
        return (date.fromisoformat(value).toordinal() - _EPOCH_DAY) * _DAY_US
    except ValueError:
        return None
