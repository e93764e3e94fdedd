"""What a filter and an order mean, one run at a time: what every plan of a search is held against.

Numbers are compared as 64-bit floats, booleans as 0 and 1. What a run does not have makes a comparison unknown, and
unknown is not true, as in SQL. Design: docs/design/search.md.
"""

from __future__ import annotations

import base64
import binascii
import functools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from clew.core.errors import Invalid
from clew.core.types.filter import Comparison, Field, Filter, Not, Order, Value
from clew.core.types.run import Run
from clew.core.types.series import Series

__all__ = [
    "MISSING",
    "NUMBER",
    "OPERATORS",
    "TEXT",
    "TEXT_OPS",
    "FoundRun",
    "Key",
    "aggregate_of",
    "as_number",
    "as_text",
    "key_of",
    "key_of_token",
    "matches",
    "pattern",
    "passes_text",
    "sort_key",
    "token_of",
    "value_of",
]

NUMBER, TEXT, MISSING = 1, 2, 3
"""Kinds of values, in the order in which they are sorted."""

TEXT_OPS = ("~", "contains", "like", "ilike")
Key = tuple[int, float | str]
"""A value as it is sorted: its kind, and the value; 0 where it is missing."""


class FoundRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run with the name of its experiment, the summaries of its metrics by name, and by name the greatest version of
    each dataset that it used."""

    run: Run
    experiment: str
    metrics: dict[str, Series] = {}
    data: dict[str, int] = {}


def value_of(found: FoundRun, field: Field) -> Value:
    """The value of a field, None where the run has none."""
    run = found.run
    if field.kind == "metric":
        series = found.metrics.get(field.name)
        return None if series is None else aggregate_of(series, field.aggregate)
    if field.kind == "data":
        return found.data.get(field.name)
    if field.kind in ("param", "tag"):
        named: Mapping[str, Value] = run.params if field.kind == "param" else run.tags
        return named.get(field.name)
    if field.kind == "experiment":
        return found.experiment
    if field.kind == "duration":
        return (run.ended_us - run.created_us) / 1e6 if run.ended_us else None
    if field.kind in ("created", "ended"):
        at_us = run.created_us if field.kind == "created" else run.ended_us
        at = at_us // 1000 if field.aggregate == "ms" else at_us
        return at if field.kind == "created" else at or None
    return str(getattr(run, field.kind)) or None


def aggregate_of(series: Series, aggregate: str) -> float:
    """One number for a series; NaN values are left out of `min`, `max` and `mean`."""
    numbers = series.count - series.nans
    if aggregate == "mean":
        return series.total / numbers if numbers else math.nan
    return {
        "last": series.last,
        "first": series.first,
        "min": series.low,
        "max": series.high,
        "count": float(series.count),
        "there": 1.0,
    }[aggregate]


def as_number(value: float) -> float:
    """A number as it is compared."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def as_text(value: str) -> str:
    """A text as it is compared: databases hold no NUL."""
    return value.replace("\0", "\ufffd")


def matches(filter: Filter, value_of: Callable[[Field], Value]) -> bool | None:
    """Whether a run passes; None is unknown.

    Args:
        filter: what is asked.
        value_of: the run's value of a field, None where it has none.
    """
    if isinstance(filter, Comparison):
        return _compare(value_of(filter.field), filter)
    if isinstance(filter, Not):
        found = matches(filter.part, value_of)
        return None if found is None else not found
    decides = filter.op == "or"
    unknown = False
    for part in filter.parts:
        found = matches(part, value_of)
        if found is decides:
            return decides
        unknown = unknown or found is None
    return None if unknown else not decides


def _compare(found: Value, comparison: Comparison) -> bool | None:
    wanted = comparison.values
    if comparison.op == "is":
        return found is None
    if found is None:
        return None
    if comparison.op == "in":
        return any(_ordered("=", found, value) for value in wanted if _comparable(found, value))
    (value,) = wanted
    if comparison.op in TEXT_OPS:
        return passes_text(comparison.op, str(value))(found) if isinstance(found, str) else None
    if not _comparable(found, value):
        return True if comparison.op == "!=" else None
    return _ordered(comparison.op, found, value)


def _ordered(op: str, found: Value, value: Value) -> bool:
    return bool(OPERATORS[op](_plain(found), _plain(value)))


def _plain(value: Value) -> str | float:
    return as_text(value) if isinstance(value, str) else as_number(value or 0)


OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""Both sides are texts, or both are numbers; or arrays of them, which give arrays."""


def _comparable(a: Value, b: Value) -> bool:
    return isinstance(a, str) == isinstance(b, str) and b is not None


def passes_text(op: str, wanted: str) -> Callable[[str], bool]:
    """What a text must pass for `~`, `contains`, `like` or `ilike`."""
    wanted = as_text(wanted)
    if op == "~":
        folded = wanted.lower()
        return lambda text: folded in as_text(text).lower()
    if op == "contains":
        return lambda text: wanted in as_text(text)
    found = pattern(wanted, fold=op == "ilike")
    return lambda text: found.fullmatch(as_text(text)) is not None


@functools.lru_cache(maxsize=256)
def pattern(wanted: str, *, fold: bool) -> re.Pattern[str]:
    """A pattern of SQL as a regular expression that takes no more than linear time for each part.

    What lies between two `%` is taken where it is found first, for good: if the rest can be found behind a later
    place, it can be found behind the first.
    """
    first, *rest = ("".join("." if c == "_" else re.escape(c) for c in part) for part in wanted.split("%"))
    if not rest:
        return re.compile(first, _flags(fold))
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    return re.compile(f"{first}{middle}.*{rest[-1]}", _flags(fold))


def _flags(fold: bool) -> int:
    return re.DOTALL | (re.IGNORECASE if fold else 0)


def key_of(value: Value) -> Key:
    """A value as it is sorted."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING, 0.0
    return (TEXT, as_text(value)) if isinstance(value, str) else (NUMBER, as_number(value))


@functools.total_ordering
class _Down:
    """What is sorted the other way round."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Down) and self.value == other.value

    def __lt__(self, other: _Down) -> bool:
        return bool(self.value > other.value)


def sort_key(keys: Sequence[Key], order: Sequence[Order], id: str) -> tuple[object, ...]:
    """What runs are compared by: their keys in the order's directions, then the newest first."""
    parts: list[object] = []
    for (kind, value), each in zip(keys, order, strict=True):
        parts += [kind, _Down(value) if each.descending else value]
    return (*parts, _Down(id))


def token_of(keys: Sequence[Key], order: Sequence[Order], id: str) -> str:
    """The cursor behind a run: its id, and before it its keys where there is an order."""
    if not order:
        return id
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((_words(order), keys, id))).decode().rstrip("=")


def key_of_token(token: str, order: Sequence[Order]) -> tuple[list[Key], str]:
    """The keys and the id that a cursor holds.

    Raises:
        Invalid: no page of this order ended with it.
    """
    if not order or not token:
        return [], token
    try:
        data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        words, keys, run = msgspec.msgpack.decode(data, type=tuple[str, list[tuple[int, float | str]], str])
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        words, keys, run = "", [], ""
    fits = len(keys) == len(order) and all(isinstance(value, str) == (kind == TEXT) for kind, value in keys)
    fits = fits and "\0" not in run  # which PostgreSQL takes in no text
    if words != _words(order) or not fits or any(value != value for _, value in keys):
        raise Invalid(f"{token!r} is no page token of this order", hint="leave it out to start at the first page")
    return keys, run


def _words(order: Sequence[Order]) -> str:
    return ",".join(f"{'-' if each.descending else ''}{each.field}" for each in order)
