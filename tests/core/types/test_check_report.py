"""What checks found, in a line each."""

from __future__ import annotations

from datetime import date

import pytest

from clew.core.types.check_report import Check, CheckKind, CheckResult, Example, Scope, Violation, shown
from clew.core.types.checks import CheckSeverity

CHECK = Check(
    name="age.range",
    kind=CheckKind.RANGE,
    severity=CheckSeverity.ERROR,
    scope=Scope.ROW,
    says="at least 0",
    column="age",
)
ROWS = Check(name="rows", kind=CheckKind.ROWS, severity=CheckSeverity.ERROR, scope=Scope.TABLE, says="at least 3 rows")


def violation(column: str, row: int | None) -> Violation:
    return Violation(
        check="age.range",
        column=column,
        kind=CheckKind.RANGE,
        severity=CheckSeverity.ERROR,
        row=row,
        value="-1",
        says="at least 0",
    )


@pytest.mark.parametrize(
    ("column", "row", "text"),
    [
        ("age", 0, "age is -1 in row 0: at least 0"),
        ("", 2, "-1 in row 2: at least 0"),
        ("age", None, "age: at least 0"),
    ],
)
def test_a_violation_is_a_line(column: str, row: int | None, text: str) -> None:
    assert violation(column, row).text == text


def test_a_result_is_a_line() -> None:
    assert CheckResult(check=CHECK, failed=0, found="-1 to 7").text == "age: at least 0"
    assert CheckResult(check=CHECK, failed=2).text == "age: at least 0 (2 rows failed)"
    full = CheckResult(check=CHECK, failed=2, found="-1 to 7", examples=[Example(4, "-1"), Example(9, "-2")])
    assert full.text == "age: at least 0 (2 rows failed, -1 to 7, row 4 is -1)"
    assert CheckResult(check=ROWS, failed=1, found="2 rows").text == "at least 3 rows (1 row failed, 2 rows)"


def test_values_of_exactly_the_width_are_whole() -> None:
    assert shown("x" * 78) == "'" + "x" * 78 + "'"
    assert shown("x" * 79) == "'" + "x" * 78 + "…"
    assert shown(date(2013, 1, 31)) == "2013-01-31"
    assert shown(3) == "3"
