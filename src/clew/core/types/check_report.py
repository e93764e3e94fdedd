"""What data checks found, in a table or in a request. What they ask: `checks`."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import msgspec

from clew.core.ids import Digest
from clew.core.numbers import counted
from clew.core.types.checks import CheckSeverity

__all__ = ["Check", "CheckKind", "CheckReport", "CheckResult", "Example", "Scope", "Violation", "shown"]

_MAX_SHOWN = 80


class CheckKind(StrEnum):
    """What a check looks at; the second half of its name."""

    ROWS = "rows"
    PRESENT = "present"
    UNKNOWN = "unknown"
    TYPE = "type"
    NULLS = "nulls"
    RANGE = "range"
    VALUES = "values"
    PATTERN = "pattern"
    LENGTH = "length"
    UNIQUE = "unique"
    FRESH = "fresh"
    RULE = "rule"


class Scope(StrEnum):
    """Where a check has a meaning: in every row alone, or only over a whole table (not in a request)."""

    ROW = "row"
    TABLE = "table"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look at. `name` is `COLUMN.KIND`, or `rule: TEXT`, or `rows`; `says` is for people."""

    name: str
    kind: CheckKind
    severity: CheckSeverity
    scope: Scope
    says: str
    column: str = ""

    @property
    def text(self) -> str:
        """What it asks, and of which column."""
        return f"{self.column}: {self.says}" if self.column else self.says


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One failed check in a request; `row` counts from 0 and is None when it is about a column as a whole."""

    check: str
    column: str
    kind: CheckKind
    severity: CheckSeverity
    row: int | None
    value: str
    says: str

    @property
    def text(self) -> str:
        """The whole of it in a line."""
        if self.row is None:
            return f"{self.column}: {self.says}"
        return f"{self.column + ' is ' if self.column else ''}{self.value} in row {self.row}: {self.says}"


class Example(msgspec.Struct, frozen=True):
    """A row that failed, counted from 0, and what it held."""

    row: int
    value: str


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found in a table. `failed` counts rows, and is 0 exactly when the check passed."""

    check: Check
    failed: int
    found: str = ""
    examples: list[Example] = []

    @property
    def text(self) -> str:
        """The whole of it in a line."""
        about = self.check.text
        if not self.failed:
            return about
        example = f"row {self.examples[0].row} is {self.examples[0].value}" if self.examples else ""
        facts = [part for part in (f"{counted(self.failed, 'rows')} failed", self.found, example) if part]
        return f"{about} ({', '.join(facts)})"


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """What all checks found in a table of `rows` rows; `checks` is the digest of what was asked."""

    checks: Digest
    rows: int
    judged_us: int
    results: list[CheckResult]

    @property
    def errors(self) -> list[CheckResult]:
        """The failed checks that refuse the rows."""
        return [r for r in self.results if r.failed and r.check.severity is CheckSeverity.ERROR]

    @property
    def warnings(self) -> list[CheckResult]:
        """The failed checks that only say so."""
        return [r for r in self.results if r.failed and r.check.severity is CheckSeverity.WARN]

    @property
    def passed(self) -> bool:
        """Whether nothing refuses the rows."""
        return not self.errors


def shown(value: object) -> str:
    """A value for a person to look at, shortened."""
    if isinstance(value, dict):
        text = ", ".join(f"{name}={shown(part)}" for name, part in value.items())
    else:
        text = value.isoformat() if isinstance(value, date) else repr(value)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
