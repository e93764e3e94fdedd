"""Rules as polars expressions; missing is null. The twin of `rules_python`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import TYPE_CHECKING

from clew.core.types.expression import (
    Arithmetic,
    Column,
    Compare,
    Expression,
    IsMissing,
    Kind,
    Literal,
    Logic,
    Member,
    Not,
    kind_of,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["rule_expression"]

_OPERATORS: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def rule_expression(node: Expression, columns: Mapping[str, pl.Expr]) -> pl.Expr:
    """A rule over columns that are in the terms of their kinds, with null for what is missing."""
    import polars as pl

    if isinstance(node, Literal):
        return _literal(node)
    if isinstance(node, Column):
        return columns[node.name]
    if isinstance(node, Compare):
        sides = (rule_expression(node.left, columns), rule_expression(node.right, columns))
        left, right = (side.cast(pl.Float64) for side in sides) if node.kind is Kind.REAL else sides
        return _OPERATORS[node.op](left, right)
    if isinstance(node, Arithmetic):
        return _arithmetic(node, columns)
    if isinstance(node, Logic):
        combine = operator.and_ if node.op == "and" else operator.or_
        return reduce(combine, [rule_expression(part, columns) for part in node.parts])
    if isinstance(node, Member):
        return _member(node, rule_expression(node.item, columns))
    part = rule_expression(node.part, columns)
    if isinstance(node, IsMissing):
        return part.is_null()
    if isinstance(node, Not):
        return ~part
    return part.str.len_chars().cast(pl.Int64) if node.name == "len" else part.cast(pl.Float64).abs()


def _literal(node: Literal) -> pl.Expr:
    import polars as pl

    types = {Kind.WHOLE: pl.Int64, Kind.INSTANT: pl.Int64, Kind.REAL: pl.Float64}
    return pl.lit(node.value, dtype=types.get(node.kind))


def _arithmetic(node: Arithmetic, columns: Mapping[str, pl.Expr]) -> pl.Expr:
    import polars as pl

    left, right = rule_expression(node.left, columns), rule_expression(node.right, columns)
    if kind_of(node.left) is Kind.INSTANT:
        return (left - right).cast(pl.Float64) / 1_000_000.0
    left, right = left.cast(pl.Float64), right.cast(pl.Float64)
    if node.op == "/":
        right = pl.when(right != 0.0).then(right)
    return _OPERATORS[node.op](left, right).fill_nan(None)


def _member(node: Member, item: pl.Expr) -> pl.Expr:
    import polars as pl

    types = {Kind.WHOLE: pl.Int64, Kind.INSTANT: pl.Int64, Kind.REAL: pl.Float64, Kind.TEXT: pl.String}
    dtype = types[node.kind]
    return item.cast(dtype).is_in(pl.Series(list(node.values), dtype=dtype).implode())
