"""Filters over runs: `metric.auc.max > 0.7 and (param.depth in (6, 8) or tag.team = "risk")`.

Reads text into a tree, and judges one run by it. Not the search (`search`) that asks for many. What a run does not
have makes a comparison unknown, and unknown is not true, as in SQL. For users: docs/reference/filters.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from clew.core.clock import parse_us
from clew.core.errors import Invalid

__all__ = ["AGGREGATES", "FIELDS", "Field", "Filter", "Value", "fields_of", "matches", "parse_field", "parse_filter"]

Value = str | float | int | bool | None
AGGREGATES = ("last", "first", "min", "max", "mean", "count")
FIELDS = (
    "id",
    "name",
    "status",
    "kind",
    "experiment",
    "parent",
    "commit",
    "created_by",
    "created",
    "ended",
    "duration",
)
"""What can be asked of every run, besides `metric.…`, `param.…` and `tag.…`. `duration` is in seconds."""

_TIMES = ("created", "ended")
_KINDS = ("metric", "param", "tag")
_DEEPEST = 50
_LONGEST_NUMBER = 400
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<op><=|>=|!=|==|=|<|>|~)
    | (?P<mark>[(),])
    | (?P<word>[A-Za-z_](?:[\w/:@%.-]|`[^`]+`)*)
    )""",
    re.VERBOSE,
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Field(NamedTuple):
    """What a filter asks of a run: `metric`, `auc`, `max`; or a plain field with an empty name."""

    kind: str
    name: str = ""
    aggregate: str = ""

    def __str__(self) -> str:
        return ".".join(part for part in self if part)


class Comparison(NamedTuple):
    """`field op value`; `is` asks for None, `~` whether a text contains another."""

    field: Field
    op: str
    values: tuple[Value, ...]


class Both(NamedTuple):
    """`and` and `or`."""

    op: str
    parts: tuple[Filter, ...]


class Not(NamedTuple):
    """The opposite; unknown stays unknown."""

    part: Filter


Filter = Comparison | Both | Not


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse_filter(text: str, *, now_us: int) -> Filter:
    """Read a filter.

    Args:
        text: the filter.
        now_us: what relative times such as `"-7d"` count from.

    Raises:
        Invalid: it cannot be read; the error points at the character.
    """
    return _Reader(text, now_us).whole()


def parse_field(text: str) -> Field:
    """Read one field, as sorting and columns use it: `metric.auc.max`.

    Raises:
        Invalid: there is no such field.
    """
    reader = _Reader(text, 0)
    field = reader.field()
    reader.expect_end()
    return field


def fields_of(filter: Filter) -> list[Field]:
    """The fields that a filter asks for, each once."""
    if isinstance(filter, Comparison):
        return [filter.field]
    parts = filter.parts if isinstance(filter, Both) else (filter.part,)
    return list(dict.fromkeys(field for part in parts for field in fields_of(part)))


def matches(filter: Filter, value_of: Callable[[Field], Value]) -> bool | None:
    """Whether a run passes; None is unknown.

    Args:
        filter: from `parse_filter`.
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
        return any(_ORDERED["="](found, value) for value in wanted if _comparable(found, value))
    (value,) = wanted
    if comparison.op == "~":
        return str(value).lower() in str(found).lower()
    if not _comparable(found, value):
        return True if comparison.op == "!=" else None
    return _ORDERED[comparison.op](found, value)


_ORDERED: Mapping[str, Callable[[Value, Value], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,  # type: ignore[operator]
    "<=": lambda a, b: a <= b,  # type: ignore[operator]
    ">": lambda a, b: a > b,  # type: ignore[operator]
    ">=": lambda a, b: a >= b,  # type: ignore[operator]
}


def _comparable(a: Value, b: Value) -> bool:
    return isinstance(a, str) == isinstance(b, str) and b is not None


class _Reader:
    """Goes through the tokens once."""

    def __init__(self, text: str, now_us: int) -> None:
        self.text, self.now_us = text, now_us
        self.tokens = self._tokens()
        self.at = 0

    def _tokens(self) -> list[_Token]:
        tokens, at = [], 0
        end = len(self.text.rstrip())
        while at < end:
            found = _TOKEN.match(self.text, at)
            if found is None:
                at += len(self.text[at:]) - len(self.text[at:].lstrip())
                raise self.error("this cannot stand here", at)
            kind = str(found.lastgroup)
            tokens.append(_Token(kind, found[kind], found.start(kind)))
            at = found.end()
        return [*tokens, _Token("end", "", end)]

    def error(self, what: str, at: int, *, hint: str = "") -> Invalid:
        arrow = f"\n    {self.text}\n    {' ' * at}^"
        return Invalid(f"the filter cannot be read at character {at + 1}: {what}{arrow}", hint=hint)

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def take(self) -> _Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def takes(self, *words: str) -> bool:
        """Whether the next token is one of these words or marks; then it is taken."""
        if self.next.kind in ("word", "mark") and self.next.text.lower() in words:
            self.at += 1
            return True
        return False

    def expect_end(self) -> None:
        if self.next.kind != "end":
            raise self.error("'and' or 'or' is missing before this", self.next.at)

    def whole(self) -> Filter:
        if self.next.kind == "end":
            raise self.error("it is empty", 0, hint="for example: metric.auc > 0.7 and param.depth = 6")
        found = self.either(0)
        self.expect_end()
        return found

    def either(self, depth: int) -> Filter:
        return self.joined("or", lambda: self.joined("and", lambda: self.one(depth)))

    def joined(self, word: str, part: Callable[[], Filter]) -> Filter:
        parts = [part()]
        while self.takes(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Both(word, tuple(parts))

    def one(self, depth: int) -> Filter:
        if depth > _DEEPEST:
            raise self.error("it is nested too deeply", self.next.at)
        if self.takes("not"):
            return Not(self.one(depth + 1))
        opening = self.next
        if self.takes("("):
            inner = self.either(depth + 1)
            if not self.takes(")"):
                raise self.error("this bracket is not closed", opening.at)
            return inner
        return self.comparison()

    def comparison(self) -> Filter:
        field = self.field()
        if self.takes("is"):
            negated = self.takes("not")
            if not self.takes("null", "none"):
                raise self.error("'null' is expected here", self.next.at)
            asked = Comparison(field, "is", (None,))
            return Not(asked) if negated else asked
        negated = self.takes("not")
        if self.takes("in"):
            listed = Comparison(field, "in", self.values(field))
            return Not(listed) if negated else listed
        if negated or self.next.kind != "op":
            raise self.error("a comparison is expected here", self.next.at, hint="= != < <= > >= ~ in (…) is null")
        op = self.take().text
        return Comparison(field, "=" if op == "==" else op, (self.value(field),))

    def field(self) -> Field:
        token = self.next
        if token.kind != "word":
            hint = "metric.NAME, param.NAME, tag.NAME, or one of: " + ", ".join(FIELDS)
            raise self.error("a field is expected here", token.at, hint=hint)
        self.take()
        kind, dot, rest = token.text.partition(".")
        if not dot and kind in FIELDS:
            return Field(kind)
        if kind not in _KINDS or not rest:
            raise self.error(
                f"there is no field {token.text!r}",
                token.at,
                hint="metric.NAME, param.NAME, tag.NAME, or one of: " + ", ".join(FIELDS),
            )
        name, dot, aggregate = rest.rpartition(".")
        if kind == "metric" and dot and aggregate in AGGREGATES:
            return Field(kind, name.replace("`", ""), aggregate)
        return Field(kind, rest.replace("`", ""), "last" if kind == "metric" else "")

    def values(self, field: Field) -> tuple[Value, ...]:
        opening = self.next
        if not self.takes("("):
            raise self.error("a list in brackets is expected here", opening.at, hint="in (6, 8)")
        found = [self.value(field)]
        while self.takes(","):
            found.append(self.value(field))
        if not self.takes(")"):
            raise self.error("this bracket is not closed", opening.at)
        return tuple(found)

    def value(self, field: Field) -> Value:
        token = self.take() if self.next.kind != "end" else self.next
        value = self.literal(token)
        if field.kind in _TIMES:
            return self.time(value, token.at)
        if field.kind == "metric" and isinstance(value, str):
            raise self.error("a metric is a number", token.at)
        return value

    def literal(self, token: _Token) -> Value:
        if token.kind == "number":
            if len(token.text) > _LONGEST_NUMBER:
                raise self.error("this number is too long", token.at)
            return float(token.text) if re.search(r"[.eE]", token.text) else int(token.text)
        if token.kind == "text":
            return re.sub(r"\\(.)", r"\1", token.text[1:-1])
        if token.kind == "word":
            return {"true": True, "false": False}.get(token.text.lower(), token.text)
        raise self.error("a value is expected here", token.at, hint="a number, 'text', true or false")

    def time(self, value: Value, at: int) -> int:
        text = str(value)
        relative = re.fullmatch(r"-(\d+)([smhdw])", text)
        if relative:
            return self.now_us - int(relative[1]) * _UNITS[relative[2]] * 1_000_000
        try:
            return parse_us(text)
        except ValueError:
            raise self.error("a time is expected here", at, hint="'2026-01-31', '2026-01-31T08:00', '-7d'") from None
