"""Data checks for a table: one polars query, whatever the number of checks.

The same rows give the same result as `single`, for every check that has a meaning in a request. Reasoning:
docs/design/checks.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from clew.core.extras import require
from clew.core.types.check_plan import CheckPlan, ColumnPlan, RulePlan, plan_checks, unknown_column
from clew.core.types.check_report import Check, CheckKind, CheckReport, CheckResult, Example, shown
from clew.core.types.checks import Checks, Unknown
from clew.core.types.pattern import MAX_MATCHED_CHARACTERS
from clew.data.checks.match import regex_of
from clew.data.checks.rules_polars import rule_expression
from clew.data.checks.terms import Terms, terms_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["check_table"]

_EXAMPLES = 5


def check_table(frame: pl.LazyFrame | pl.DataFrame, checks: Checks, *, now_us: int) -> CheckReport:
    """Judge every check on a table.

    Args:
        frame: the rows; a lazy frame is read once.
        checks: what must hold.
        now_us: the time against which ages are measured.

    Raises:
        Invalid: the checks contradict themselves.
    """
    require("polars")
    plan = plan_checks(checks)
    lazy = frame.lazy()
    schema = lazy.collect_schema()
    query = _Query(plan, schema, now_us)
    found = lazy.with_row_index(query.row).select(query.expressions()).collect(engine="streaming").row(0, named=True)
    results = query.results(found)
    return CheckReport(checks=plan.digest, rows=found["rows"], judged_us=now_us, results=results)


class _Asked(NamedTuple):
    """One check in the query: which rows fail, and what to show of them."""

    check: Check
    fails: pl.Expr
    shows: pl.Expr


class _Query:
    """What is selected, and how the one row that comes back is read."""

    def __init__(self, plan: CheckPlan, schema: pl.Schema, now_us: int) -> None:
        self.plan, self.schema, self.now_us = plan, schema, now_us
        self.row = _unused("row", schema)
        self.terms = {c.name: terms_of(c, schema[c.name]) for c in plan.columns if c.name in schema}
        self.asked = [asked for c in plan.columns if c.name in schema for asked in self._of_column(c)]
        self.asked += [self._of_rule(rule) for rule in plan.rules]

    def _of_column(self, column: ColumnPlan) -> list[_Asked]:
        import polars as pl

        fails = _failures(column, self.terms[column.name])
        return [_Asked(column.checks[kind], rows, pl.col(column.name)) for kind, rows in fails.items()]

    def _of_rule(self, rule: RulePlan) -> _Asked:
        import polars as pl

        kinds = {column.name: column for column in self.plan.columns}
        values = {
            name: self.terms[name].value if name in self.terms else terms_of(kinds[name], pl.Null()).value
            for name in rule.columns
        }
        there = [pl.col(name) for name in rule.columns if name in self.schema]
        return _Asked(rule.check, ~rule_expression(rule.rule, values), pl.struct(there or [pl.lit(None).alias("-")]))

    def expressions(self) -> list[pl.Expr]:
        import polars as pl

        selected = [pl.len().alias("rows")]
        for index, (_, fails, shows) in enumerate(self.asked):
            rows = fails.fill_null(value=False) & pl.col(self.row).is_not_null()
            examples = pl.struct(pl.col(self.row).alias("row"), shows.alias("value")).filter(rows).head(_EXAMPLES)
            selected += [rows.sum().alias(f"failed {index}"), examples.implode().alias(f"examples {index}")]
        fresh = [c for c in self.plan.columns if CheckKind.FRESH in c.checks and c.name in self.schema]
        return selected + [self.terms[c.name].value.max().alias(f"newest {c.name}") for c in fresh]

    def results(self, found: dict[str, Any]) -> list[CheckResult]:
        rows = found["rows"]
        by_name = {
            asked.check.name: _result(asked.check, found[f"failed {index}"], found[f"examples {index}"])
            for index, asked in enumerate(self.asked)
        }
        for column in self.plan.columns:
            for check in column.checks.values():
                by_name[check.name] = self._settled(column, check, by_name.get(check.name), found)
        lacking = max(0, self.plan.min_rows - rows)
        by_name[self.plan.rows.name] = CheckResult(check=self.plan.rows, failed=lacking, found=f"{rows} rows")
        ordered = [by_name.get(c.name) or CheckResult(check=c, failed=0) for c in self.plan.checks()]
        return ordered + self._unknown(rows)

    def _settled(
        self, column: ColumnPlan, check: Check, result: CheckResult | None, found: dict[str, Any]
    ) -> CheckResult:
        """The result of a check on a column, with those that count over the whole table decided."""
        rows = found["rows"]
        if column.name not in self.schema:
            failed = max(1, rows) if check.kind is CheckKind.PRESENT else 0
            return CheckResult(check=check, failed=failed, found="not there" if failed else "")
        if check.kind is CheckKind.NULLS and column.nulls > 0 and result is not None:
            allowed = result.failed <= column.nulls * rows
            return _passed(result) if allowed else _noting(result, f"{result.failed / rows:.3g} of the values")
        if check.kind is CheckKind.TYPE and result is not None and result.failed:
            return _noting(result, f"stored as {self.schema[column.name]}")
        if check.kind is CheckKind.FRESH:
            return self._fresh(column, check, found[f"newest {column.name}"], rows)
        return result or CheckResult(check=check, failed=0)

    def _fresh(self, column: ColumnPlan, check: Check, newest_us: int | None, rows: int) -> CheckResult:
        if newest_us is None or self.now_us - newest_us <= column.max_age_us:
            return CheckResult(check=check, failed=0)
        hours = (self.now_us - newest_us) / 3_600_000_000
        return CheckResult(check=check, failed=rows, found=f"the newest is {hours:.1f} h old")

    def _unknown(self, rows: int) -> list[CheckResult]:
        if self.plan.unknown is Unknown.ALLOW:
            return []
        known = {column.name for column in self.plan.columns}
        names = [name for name in self.schema.names() if name not in known]
        return [CheckResult(check=unknown_column(n, self.plan.unknown), failed=max(1, rows)) for n in names]


def _failures(column: ColumnPlan, terms: Terms) -> dict[CheckKind, pl.Expr]:
    """Which rows fail each of a column's checks; null counts as passed."""
    value = terms.value
    fails: dict[CheckKind, pl.Expr] = {CheckKind.NULLS: terms.missing, CheckKind.TYPE: terms.wrong}
    if column.low is not None or column.high is not None:
        fails[CheckKind.RANGE] = _outside(value, column)
    if column.values:
        fails[CheckKind.VALUES] = ~value.is_in(_listed(column, terms))
    if column.pattern is not None:
        fits = value.str.contains(regex_of(column.pattern)) & (value.str.len_chars() <= MAX_MATCHED_CHARACTERS)
        fails[CheckKind.PATTERN] = ~fits
    if CheckKind.LENGTH in column.checks:
        too_short, length = value.str.len_chars() < column.min_length, value.str.len_chars()
        fails[CheckKind.LENGTH] = too_short if column.max_length is None else too_short | (length > column.max_length)
    if CheckKind.UNIQUE in column.checks:
        fails[CheckKind.UNIQUE] = value.is_not_null() & ~value.is_first_distinct()
    return {kind: rows for kind, rows in fails.items() if kind in column.checks}


def _outside(value: pl.Expr, column: ColumnPlan) -> pl.Expr:
    if column.low is None:
        return value > column.high
    return value < column.low if column.high is None else (value < column.low) | (value > column.high)


def _listed(column: ColumnPlan, terms: Terms) -> pl.Series:
    import polars as pl

    return pl.Series(column.values, dtype=terms.dtype).implode()


def _unused(name: str, schema: pl.Schema) -> str:
    while name in schema:
        name += "_"
    return name


def _result(check: Check, failed: int, examples: list[dict[str, Any]]) -> CheckResult:
    kept = [Example(e["row"], shown(e["value"])) for e in examples]
    return CheckResult(check=check, failed=failed, examples=kept)


def _passed(result: CheckResult) -> CheckResult:
    return CheckResult(check=result.check, failed=0)


def _noting(result: CheckResult, found: str) -> CheckResult:
    return CheckResult(check=result.check, failed=result.failed, found=found, examples=result.examples)
