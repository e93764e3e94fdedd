"""A column of a table in the terms of its checks: what is missing, what has the wrong type, and the value itself.

Integers and instants (microseconds) become Int64, numbers Float64, texts String, truths Boolean; missing or wrongly
typed values become null, so that every other check passes over them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from clew.core.types.check_plan import ColumnPlan
from clew.core.types.checks import ColumnType
from clew.core.types.expression import Kind

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Terms", "terms_of"]

_DAY_US = 86_400_000_000


class Terms(NamedTuple):
    """Expressions over one column; `dtype` is the type of `value`."""

    value: pl.Expr
    missing: pl.Expr
    wrong: pl.Expr
    dtype: pl.DataType | type[pl.DataType]


def terms_of(column: ColumnPlan, stored: pl.DataType) -> Terms:
    """The terms of a column that is stored as some type of polars."""
    import polars as pl

    raw = pl.col(column.name)
    missing = raw.is_null() | raw.is_nan() if stored.is_float() else raw.is_null()
    if column.type is None or column.kind is None:
        value = raw.fill_nan(None) if stored.is_float() else raw
        return Terms(value, missing, pl.lit(value=False), stored)
    dtype = _dtypes()[column.kind]
    if stored == pl.Null:
        return Terms(pl.lit(None, dtype=dtype), missing, pl.lit(value=False), dtype)
    converted = _converted(raw, column.type, stored)
    value = pl.lit(None, dtype=dtype) if converted is None else converted
    return Terms(value, missing, ~missing & value.is_null(), dtype)


def _dtypes() -> dict[Kind, type[pl.DataType]]:
    import polars as pl

    return {
        Kind.WHOLE: pl.Int64,
        Kind.REAL: pl.Float64,
        Kind.TEXT: pl.String,
        Kind.TRUTH: pl.Boolean,
        Kind.INSTANT: pl.Int64,
    }


def _converted(raw: pl.Expr, type: ColumnType, stored: pl.DataType) -> pl.Expr | None:
    """The value in the column's terms, null where it does not fit; None when the stored type never fits."""
    import polars as pl

    if type is ColumnType.INTEGER and stored.is_integer():
        return raw.cast(pl.Int64, strict=False)
    if type is ColumnType.INTEGER and stored.is_float():
        return pl.when(raw == raw.floor()).then(raw.cast(pl.Int64, strict=False))
    if type is ColumnType.NUMBER and stored.is_numeric():
        return raw.cast(pl.Float64).fill_nan(None)
    if type is ColumnType.BOOLEAN and stored == pl.Boolean:
        return raw
    if type is ColumnType.STRING and stored in (pl.String, pl.Categorical, pl.Enum):
        return raw.cast(pl.String)
    if type in (ColumnType.DATE, ColumnType.TIME) and stored.is_integer():
        us = raw.cast(pl.Int64, strict=False)
        return us if type is ColumnType.TIME else pl.when(us % _DAY_US == 0).then(us)
    if type is ColumnType.DATE and stored == pl.Date:
        return raw.cast(pl.Int32).cast(pl.Int64) * _DAY_US
    if type is ColumnType.TIME and stored == pl.Datetime:
        return raw.dt.timestamp("us")
    return None
