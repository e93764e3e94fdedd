"""Data checks: what must hold for the rows of a dataset, as `[checks.DATASET]` in `clew.toml` declares it.

One contract; `clew.data.checks` compiles it for tables and for single requests, `check_report` says what was found.
Missing means null or NaN, everywhere. Reasoning: docs/design/checks.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import msgspec

from clew.core.types.expression import Expression, Kind, columns_of, parse_rule

__all__ = [
    "KIND_OF",
    "CheckSeverity",
    "Checks",
    "ColumnCheck",
    "ColumnType",
    "RuleCheck",
    "Unknown",
    "read_rule",
]

_says = msgspec.Meta


class CheckSeverity(StrEnum):
    """What a failed check does: refuse the rows, or only say so."""

    ERROR = "error"
    WARN = "warn"


class Unknown(StrEnum):
    """What a column that no check names does."""

    ALLOW = "allow"
    WARN = "warn"
    ERROR = "error"


class ColumnType(StrEnum):
    """What the values of a column are."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    STRING = "string"
    DATE = "date"
    TIME = "time"


KIND_OF = {
    ColumnType.INTEGER: Kind.WHOLE,
    ColumnType.NUMBER: Kind.REAL,
    ColumnType.BOOLEAN: Kind.TRUTH,
    ColumnType.STRING: Kind.TEXT,
    ColumnType.DATE: Kind.INSTANT,
    ColumnType.TIME: Kind.INSTANT,
}
"""How the values of a column enter a rule; a date is its midnight UTC."""

Bound = int | float | str


class ColumnCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What must hold for one column. Missing values are judged by `nulls` alone; every other check skips them."""

    type: Annotated[
        ColumnType | None,
        _says(description="`integer`, `number`, `boolean`, `string`, `date` or `time`. Default: any, unchecked."),
    ] = None
    required: Annotated[bool, _says(description="Whether the column must be there.")] = True
    nulls: Annotated[
        float,
        _says(description="Largest share of missing values (null or NaN), 0 to 1. In a request only 0 is judged."),
    ] = 0.0
    min: Annotated[
        Bound | None, _says(description="Smallest value allowed: a number, or a date or time for such columns.")
    ] = None
    max: Annotated[Bound | None, _says(description="Largest value allowed.")] = None
    values: Annotated[list[bool | int | float | str] | None, _says(description="The values allowed; needs `type`.")] = (
        None
    )
    pattern: Annotated[
        str,
        _says(description="Regular expression that the whole text must match, for example `[A-Z]{2,3}`."),
    ] = ""
    min_length: Annotated[int | None, _says(description="Fewest characters of a text.")] = None
    max_length: Annotated[int | None, _says(description="Most characters of a text.")] = None
    unique: Annotated[bool, _says(description="Whether no value may occur twice. Not judged in requests.")] = False
    max_age_hours: Annotated[
        float | None,
        _says(description="How old the newest date or time may be, in hours. Not judged in requests."),
    ] = None
    severity: Annotated[
        CheckSeverity,
        _says(
            description="`error` refuses, `warn` only reports. Speaks of the values (range, values, pattern, length, "
            "unique, age); a missing column, a wrong type and too many missing values are always errors."
        ),
    ] = CheckSeverity.ERROR


class RuleCheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A rule over the columns of a row. A row fails when the rule is false, not when a value it needs is missing."""

    that: Annotated[str, _says(description="What must hold, for example `arrival >= departure`.")]
    severity: Annotated[CheckSeverity, _says(description="`error` refuses, `warn` only reports.")] = CheckSeverity.ERROR


class Checks(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Everything that must hold for the rows of a dataset."""

    columns: Annotated[dict[str, ColumnCheck], _says(description="What must hold for each column, by name.")] = {}
    rules: Annotated[
        list[str | RuleCheck],
        _says(
            description='Rules over several columns: a text, or `{ that = "…", severity = "warn" }`. '
            "Columns that rules name need a `type`."
        ),
    ] = []
    unknown_columns: Annotated[
        Unknown, _says(description="What a column that is not named here does: `allow`, `warn` or `error`.")
    ] = Unknown.WARN
    min_rows: Annotated[int, _says(description="Fewest rows of a version. Not judged in requests.")] = 1

    def only(self, columns: Iterable[str]) -> Checks:
        """These checks for a part of the columns, such as those that a model reads; other columns are unknown."""
        kept = {name: self.columns[name] for name in columns if name in self.columns}
        return msgspec.structs.replace(self, columns=kept, rules=[r for r in self.rules if _about(r, self, kept)])


def read_rule(rule: str | RuleCheck, checks: Checks) -> Expression:
    """The tree of one of the rules of some checks.

    Raises:
        Invalid: the rule cannot be read, or a column that it names has no type.
    """
    text = rule if isinstance(rule, str) else rule.that
    return parse_rule(text, {n: KIND_OF[c.type] for n, c in checks.columns.items() if c.type is not None})


def _about(rule: str | RuleCheck, checks: Checks, kept: dict[str, ColumnCheck]) -> bool:
    """Whether every column of a rule is kept."""
    return set(columns_of(read_rule(rule, checks))) <= kept.keys()
