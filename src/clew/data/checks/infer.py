"""Checks guessed from a first version of a table, for a person to edit.

What a first version shows is only a sample, so types, presence and missing values are taken as they are (with room),
and everything about the values only warns. The margins are written down in docs/design/checks.md.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from clew.core.extras import require
from clew.core.types.checks import Checks, CheckSeverity, ColumnCheck, ColumnType

if TYPE_CHECKING:
    import polars as pl

__all__ = ["infer_checks"]

_MOST_VALUES = 50
_ROWS_PER_VALUE = 10
_ROWS_FOR_UNIQUE = 1_000
_ROWS_FOR_LENGTH = 100
_RANGE_MARGIN = 0.25


def infer_checks(frame: pl.LazyFrame | pl.DataFrame, *, key: Collection[str] = ()) -> Checks:
    """Checks that the table passes, with room for the next version.

    Args:
        frame: the first version; a lazy frame is read twice.
        key: columns that tell rows apart; the next version has others, so nothing is said of their values.
    """
    require("polars")
    import polars as pl

    lazy = frame.lazy()
    schema = lazy.collect_schema()
    counts = [expression for name, stored in schema.items() for expression in _counts(name, stored)]
    found = lazy.select(pl.len().alias("rows"), *counts).collect(engine="streaming").row(0, named=True)
    few = [name for name in schema.names() if name not in key and _has_few_values(found, name)]
    values = lazy.select(pl.col(name).drop_nulls().unique().sort().implode() for name in few).collect()
    listed = {name: values[name].item().to_list() for name in few}
    columns = {name: _column(name, stored, found, listed, ranged=name not in key) for name, stored in schema.items()}
    return Checks(columns=columns)


def _type_of(stored: pl.DataType) -> ColumnType | None:
    import polars as pl

    if stored.is_integer():
        return ColumnType.INTEGER
    if stored.is_numeric():
        return ColumnType.NUMBER
    simple: list[tuple[tuple[Any, ...], ColumnType]] = [
        ((pl.Boolean,), ColumnType.BOOLEAN),
        ((pl.String, pl.Categorical, pl.Enum), ColumnType.STRING),
        ((pl.Date,), ColumnType.DATE),
        ((pl.Datetime,), ColumnType.TIME),
    ]
    return next((known for stored_types, known in simple if stored in stored_types), None)


def _counts(name: str, stored: pl.DataType) -> list[pl.Expr]:
    """What must be known of a column."""
    import polars as pl

    kind, raw = _type_of(stored), pl.col(name)
    value = raw.fill_nan(None) if stored.is_float() else raw
    counts = [value.null_count().alias(f"{name} nulls")]
    if kind in (ColumnType.INTEGER, ColumnType.NUMBER):
        finite = value.filter(value.is_finite()) if stored.is_float() else value
        counts += [finite.min().alias(f"{name} low"), finite.max().alias(f"{name} high")]
    if kind in (ColumnType.INTEGER, ColumnType.STRING):
        counts.append(value.drop_nulls().n_unique().alias(f"{name} distinct"))
    if kind is ColumnType.STRING:
        length = value.cast(pl.String).str.len_chars()
        counts += [length.min().alias(f"{name} shortest"), length.max().alias(f"{name} longest")]
    return counts


def _has_few_values(found: dict[str, Any], name: str) -> bool:
    if f"{name} shortest" not in found:
        return False
    distinct = found[f"{name} distinct"]
    return bool(0 < distinct <= _MOST_VALUES and distinct * _ROWS_PER_VALUE <= found["rows"])


def _column(
    name: str, stored: pl.DataType, found: dict[str, Any], listed: dict[str, list[str]], *, ranged: bool
) -> ColumnCheck:
    kind, rows, nulls = _type_of(stored), found["rows"], found[f"{name} nulls"]
    asked: dict[str, Any] = {"type": kind, "nulls": _room_for_nulls(nulls, rows)}
    unique = rows >= _ROWS_FOR_UNIQUE and nulls == 0 and found.get(f"{name} distinct") == rows
    looks: dict[str, Any] = {"unique": True} if unique else {}
    if name in listed:
        looks["values"] = listed[name]
    elif kind is ColumnType.STRING:
        looks |= _lengths(found[f"{name} shortest"], found[f"{name} longest"], rows)
    elif kind in (ColumnType.INTEGER, ColumnType.NUMBER) and ranged and not unique:
        looks |= _range(found[f"{name} low"], found[f"{name} high"], whole=kind is ColumnType.INTEGER)
    return ColumnCheck(**asked, **looks, severity=CheckSeverity.WARN if looks else CheckSeverity.ERROR)


def _room_for_nulls(nulls: int, rows: int) -> float:
    """None stays none; otherwise twice the share and at least one in a hundred more, in two digits, rounded up."""
    if nulls == 0:
        return 0.0
    share = nulls / rows
    return min(1.0, math.ceil(max(2 * share, share + 0.01) * 100) / 100)


def _lengths(shortest: int | None, longest: int | None, rows: int) -> dict[str, int]:
    """Codes of one length keep it; other texts may be twice as long, and empty only if there was an empty one."""
    if shortest is None or longest is None or longest == 0:
        return {}
    if shortest == longest and rows >= _ROWS_FOR_LENGTH:
        return {"min_length": shortest, "max_length": longest}
    room = {"max_length": math.ceil(_outwards(2 * longest))}
    return room if shortest == 0 else {"min_length": 1, **room}


def _range(low: Any, high: Any, *, whole: bool) -> dict[str, int | float]:
    """A quarter of the width more on each side, in two digits; no sign that was never seen."""
    if low is None or high is None or low == high:
        return {}
    low, high = float(low), float(high)
    margin = _RANGE_MARGIN * (high - low)
    least = 0.0 if low >= 0 and low - margin < 0 else -_outwards(margin - low)
    most = 0.0 if high <= 0 and high + margin > 0 else _outwards(high + margin)
    if not (math.isfinite(least) and math.isfinite(most)) or (whole and max(-least, most) >= 2**63):
        return {}
    return {"min": math.floor(least), "max": math.ceil(most)} if whole else {"min": least, "max": most}


def _outwards(number: float) -> float:
    """The next number upwards that has two digits."""
    if number == 0 or not math.isfinite(number):
        return number
    step = 10.0 ** (math.floor(math.log10(abs(number))) - 1)
    return float(f"{math.ceil(number / step) * step:.12g}")
