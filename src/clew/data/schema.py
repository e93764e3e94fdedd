"""How a table's columns differ from those of the version before, and what to say about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import msgspec

from clew.core.errors import Invalid
from clew.core.types.check_report import shown

if TYPE_CHECKING:
    import polars as pl

__all__ = ["LineOf", "SchemaChange", "describe", "refuse_change", "schema_change", "types_of"]

LineOf = Callable[[int], str]
"""Where a row came from, for people: `line 17`, or `row 16` where there are no lines."""

_EXAMPLES = 3


class SchemaChange(msgspec.Struct, frozen=True):
    """Columns that are new, gone, or of another type (name, before, after)."""

    added: list[str]
    removed: list[str]
    retyped: list[tuple[str, str, str]]

    @property
    def breaks(self) -> bool:
        """Whether what read the version before may fail on this one. A column more breaks nothing."""
        return bool(self.removed or self.retyped)

    @property
    def empty(self) -> bool:
        """Whether there is none."""
        return not (self.added or self.removed or self.retyped)


def types_of(frame: pl.DataFrame) -> dict[str, str]:
    """The type of each column as text, such as `Int64` or `Datetime(time_unit='us', time_zone='UTC')`."""
    return {name: str(dtype) for name, dtype in frame.schema.items()}


def schema_change(before: Mapping[str, str], after: Mapping[str, str]) -> SchemaChange:
    """Compare two schemas, column to type."""
    return SchemaChange(
        added=[name for name in after if name not in before],
        removed=[name for name in before if name not in after],
        retyped=[(name, before[name], after[name]) for name in before if name in after and before[name] != after[name]],
    )


def describe(change: SchemaChange, before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The change in sentences."""
    said = []
    for name in change.removed:
        alike = [one for one in change.added if after[one] == before[name]]
        near = get_close_matches(name, alike, n=1) or (alike if len(alike) == len(change.removed) == 1 else [])
        renamed = f"; was it renamed to {near[0]!r}?" if near else ""
        said.append(f"column {name!r} ({before[name]}) is missing{renamed}")
    said += [f"column {name!r} was {old} and is {new}" for name, old, new in change.retyped]
    said += [f"column {name!r} ({after[name]}) is new" for name in change.added]
    return said


def refuse_change(
    reference: str, change: SchemaChange, before: Mapping[str, pl.DataType], frame: pl.DataFrame, line_of: LineOf
) -> Invalid:
    """The error for a schema that no longer matches, with rows that show why a type changed."""
    said = describe(change, {name: str(dtype) for name, dtype in before.items()}, types_of(frame))
    for name, _, _ in change.retyped:
        said += [f"{line_of(row)} has {name} = {shown(value)}" for row, value in _misfits(frame[name], before[name])]
    return Invalid(
        f"the columns are not those of {reference}: {'; '.join(said)}",
        hint="mend the data, or accept it with --allow-schema-change",
    )


def _misfits(column: pl.Series, old: pl.DataType) -> Sequence[tuple[int, object]]:
    """The first texts that do not fit the type that a column had."""
    import polars as pl

    if column.dtype != pl.String:
        return []
    try:
        if isinstance(old, pl.Date | pl.Datetime | pl.Time):
            fits = column.str.strptime(old, strict=False)
        else:
            fits = column.cast(old, strict=False)
    except pl.exceptions.PolarsError:
        return []
    rows = (column.is_not_null() & fits.is_null()).arg_true().head(_EXAMPLES)
    return [(row, column[row]) for row in rows]
