"""Data checks made ready: every bound in its column's terms, every rule and pattern read, every check named.

Both compilers of `clew.data.checks` and the reading of `clew.toml` start here, so that they know the same checks and
refuse the same mistakes.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable
from datetime import date

import msgspec

from clew.core.canonical import digest_of
from clew.core.clock import parse_us
from clew.core.errors import Invalid
from clew.core.ids import Digest
from clew.core.types.check_report import Check, CheckKind, Scope
from clew.core.types.checks import KIND_OF, Bound, Checks, CheckSeverity, ColumnCheck, ColumnType, Unknown, read_rule
from clew.core.types.expression import Expression, Kind, columns_of
from clew.core.types.pattern import PatternNode, parse_pattern

__all__ = ["CheckPlan", "ColumnPlan", "RulePlan", "plan_checks", "unknown_column"]

_ORDERED = (Kind.WHOLE, Kind.REAL, Kind.INSTANT)
_US_OF_HOUR = 3_600_000_000
_MOST_HOURS = 24 * 36_500


class ColumnPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The checks of one column. `low` and `high` are in the terms of `kind`; `checks` holds those that are asked."""

    name: str
    type: ColumnType | None
    kind: Kind | None
    nulls: float
    checks: dict[CheckKind, Check]
    low: int | float | None = None
    high: int | float | None = None
    values: list[bool | int | float | str] = []
    pattern: PatternNode | None = None
    min_length: int = 0
    max_length: int | None = None
    max_age_us: int = 0


class RulePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One rule and the columns that it reads."""

    check: Check
    rule: Expression
    columns: tuple[str, ...]


class CheckPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is asked of a table or a request. `digest` names the checks it was made of."""

    digest: Digest
    columns: list[ColumnPlan]
    rules: list[RulePlan]
    unknown: Unknown
    min_rows: int
    rows: Check

    def checks(self) -> list[Check]:
        """Every check in order, but for those on unknown columns."""
        of_columns = [check for column in self.columns for check in column.checks.values()]
        return [self.rows, *of_columns, *(rule.check for rule in self.rules)]


def plan_checks(checks: Checks) -> CheckPlan:
    """Make checks ready.

    Raises:
        Invalid: a bound, a pattern or a rule makes no sense for its column.
    """
    if not 0 <= checks.min_rows < 2**63:
        raise Invalid(f"min_rows = {reprlib.repr(checks.min_rows)} is no number of rows")
    columns = [_column(name, asked) for name, asked in checks.columns.items()]
    rows = Check(
        name="rows",
        kind=CheckKind.ROWS,
        severity=CheckSeverity.ERROR,
        scope=Scope.TABLE,
        says=f"at least {checks.min_rows} rows",
    )
    return CheckPlan(
        digest=digest_of("clew.checks/0", checks),
        columns=columns,
        rules=_rules(checks),
        unknown=checks.unknown_columns,
        min_rows=checks.min_rows,
        rows=rows,
    )


def unknown_column(name: str, unknown: Unknown) -> Check:
    """The check that fails for a column that is not named."""
    severity = CheckSeverity.ERROR if unknown is Unknown.ERROR else CheckSeverity.WARN
    return Check(
        name=f"{name}.unknown",
        kind=CheckKind.UNKNOWN,
        severity=severity,
        scope=Scope.ROW,
        says="no check names this column",
        column=name,
    )


def _rules(checks: Checks) -> list[RulePlan]:
    plans: dict[str, RulePlan] = {}
    for rule in checks.rules:
        text, severity = (rule, CheckSeverity.ERROR) if isinstance(rule, str) else (rule.that, rule.severity)
        tree = read_rule(rule, checks)
        name = f"rule: {text.strip()}"
        if name in plans:
            raise Invalid(f"rule {text!r} stands there twice")
        check = Check(name=name, kind=CheckKind.RULE, severity=severity, scope=Scope.ROW, says=text.strip())
        plans[name] = RulePlan(check=check, rule=tree, columns=columns_of(tree))
    return list(plans.values())


def _column(name: str, asked: ColumnCheck) -> ColumnPlan:
    try:
        _refuse_misfits(asked)
        low, high = _bound(asked.min, asked, math.ceil), _bound(asked.max, asked, math.floor)
        if low is not None and high is not None and low > high:
            raise Invalid(f"min = {asked.min} is above max = {asked.max}")
        return ColumnPlan(
            name=name,
            type=asked.type,
            kind=None if asked.type is None else KIND_OF[asked.type],
            nulls=asked.nulls,
            checks={check.kind: check for check in _asked(name, asked)},
            low=low,
            high=high,
            values=_values(asked),
            pattern=parse_pattern(asked.pattern) if asked.pattern else None,
            min_length=asked.min_length or 0,
            max_length=asked.max_length,
            max_age_us=round((asked.max_age_hours or 0) * _US_OF_HOUR),
        )
    except Invalid as error:
        raise Invalid(f"column {name!r}: {error.what}", hint=error.hint) from None


def _refuse_misfits(asked: ColumnCheck) -> None:
    """Refuse what makes no sense for the column's type."""
    kind = None if asked.type is None else KIND_OF[asked.type]
    wants = [
        ("min and max", asked.min is not None or asked.max is not None, kind in _ORDERED, "a number, date or time"),
        ("values", asked.values is not None, kind not in (None, Kind.INSTANT), "an integer, number, boolean or string"),
        ("pattern", bool(asked.pattern), kind is Kind.TEXT, "a string"),
        (
            "min_length and max_length",
            (asked.min_length, asked.max_length) != (None, None),
            kind is Kind.TEXT,
            "a string",
        ),
        ("max_age_hours", asked.max_age_hours is not None, kind is Kind.INSTANT, "a date or time"),
    ]
    for what, given, fits, needs in wants:
        if given and not fits:
            raise Invalid(f"{what} need {needs}", hint=f"its type is {asked.type or 'not given'}")
    if not 0 <= asked.nulls <= 1:
        raise Invalid(f"nulls = {asked.nulls} is no share", hint="0 allows no missing value, 1 allows all")
    if asked.values is not None and not asked.values:
        raise Invalid("values = [] allows nothing")
    shortest = asked.min_length or 0
    longest = shortest if asked.max_length is None else asked.max_length
    if not 0 <= shortest <= longest < 2**63:
        end = "or more" if asked.max_length is None else f"to {reprlib.repr(longest)}"
        raise Invalid(f"no text has {reprlib.repr(shortest)} {end} characters")
    if asked.max_age_hours is not None and not 0 < asked.max_age_hours <= _MOST_HOURS:
        raise Invalid(f"max_age_hours = {asked.max_age_hours} is no age")


def _bound(bound: Bound | None, asked: ColumnCheck, inwards: Callable[[float], int]) -> int | float | None:
    """A bound in the terms of its column; a fraction on an integer column becomes the next integer inwards."""
    if bound is None:
        return None
    if asked.type in (ColumnType.DATE, ColumnType.TIME):
        return _instant(bound, asked.type)
    if isinstance(bound, int):
        _refuse_giants(bound)
    if isinstance(bound, str) or math.isnan(bound):
        raise Invalid(f"bound {bound!r} is no number")
    if math.isinf(bound):
        return None
    if asked.type is not ColumnType.INTEGER:
        return float(bound)
    whole = inwards(bound)
    _refuse_giants(whole)
    return whole


def _refuse_giants(number: int) -> None:
    if not -(2**63) <= number < 2**63:
        raise Invalid(f"an integer of {len(str(number))} digits is beyond 64 bits")


def _instant(bound: Bound, type: ColumnType) -> int:
    try:
        if not isinstance(bound, str):
            raise TypeError
        return parse_us(date.fromisoformat(bound).isoformat() if type is ColumnType.DATE else bound)
    except (TypeError, ValueError):
        raise Invalid(f"bound {bound!r} is no {type}", hint="write 2013-01-31 or 2013-01-31T05:00:00Z") from None


_VALUE_TYPES: dict[ColumnType, tuple[type, ...]] = {
    ColumnType.INTEGER: (int,),
    ColumnType.NUMBER: (int, float),
    ColumnType.BOOLEAN: (bool,),
    ColumnType.STRING: (str,),
}


def _values(asked: ColumnCheck) -> list[bool | int | float | str]:
    """The allowed values, each of exactly the column's type."""
    if asked.values is None or asked.type is None:
        return []
    allowed = _VALUE_TYPES[asked.type]
    for value in asked.values:
        if type(value) not in allowed or value != value:
            raise Invalid(f"value {value!r} is no {asked.type}")
        if isinstance(value, int):
            _refuse_giants(value)
    return [float(value) for value in asked.values] if asked.type is ColumnType.NUMBER else list(asked.values)


def _asked(name: str, asked: ColumnCheck) -> list[Check]:
    """The checks that a column's entry asks for, in the order in which they are judged."""
    always, given = CheckSeverity.ERROR, asked.severity
    share = Scope.ROW if asked.nulls == 0 else Scope.TABLE
    lengths = (asked.min_length or 0) > 0 or asked.max_length is not None
    bounded = asked.min is not None or asked.max is not None
    rows = [
        (CheckKind.PRESENT, asked.required, always, Scope.ROW, "the column is there"),
        (CheckKind.TYPE, asked.type is not None, always, Scope.ROW, f"is {asked.type}"),
        (CheckKind.NULLS, asked.nulls < 1, always, share, _nulls_text(asked.nulls)),
        (CheckKind.RANGE, bounded, given, Scope.ROW, _between(asked.min, asked.max)),
        (CheckKind.VALUES, asked.values is not None, given, Scope.ROW, _one_of(asked.values or [])),
        (CheckKind.PATTERN, bool(asked.pattern), given, Scope.ROW, f"matches {asked.pattern}"),
        (CheckKind.LENGTH, lengths, given, Scope.ROW, f"has {_between(asked.min_length, asked.max_length)} characters"),
        (CheckKind.UNIQUE, asked.unique, given, Scope.TABLE, "occurs once"),
        (CheckKind.FRESH, asked.max_age_hours is not None, given, Scope.TABLE, f"at most {asked.max_age_hours} h old"),
    ]
    return [
        Check(name=f"{name}.{kind}", kind=kind, severity=severity, scope=scope, says=says, column=name)
        for kind, wanted, severity, scope, says in rows
        if wanted
    ]


def _nulls_text(share: float) -> str:
    return "is not missing" if share == 0 else f"at most {share:.3g} of the values are missing"


def _between(low: Bound | None, high: Bound | None) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def _one_of(values: list[bool | int | float | str]) -> str:
    shown = ", ".join(str(value) for value in values[:5])
    return f"one of {shown}" + (f" and {len(values) - 5} more" if len(values) > 5 else "")
