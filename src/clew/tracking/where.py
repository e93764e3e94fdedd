"""Filters over runs: `metric.auc.max > 0.7 and (param.depth in (6, 8) or tag.team = "risk")`.

Reads text into a tree, and judges one run by it. Not the search (`search`) that asks for many. What a run does not
have makes a comparison unknown, and unknown is not true, as in SQL. For users: docs/reference/filters.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import NamedTuple

from clew.core.clock import parse_us
from clew.core.errors import Unreadable
from clew.core.judging import TEXT_OPS, matches
from clew.core.types.filter import (
    AGGREGATES,
    FIELDS,
    KINDS,
    Both,
    Comparison,
    Field,
    Filter,
    Not,
    Order,
    Value,
    fields_of,
)

__all__ = ["Field", "Filter", "Value", "fields_of", "matches", "parse_field", "parse_filter", "parse_order"]

_TIMES = ("created", "ended")
_NUMBERS = ("metric", "data", "duration", *_TIMES)
_TEXTS = tuple(field for field in FIELDS if field not in _NUMBERS)
_COMPARISONS = "= != < <= > >= ~ like ilike contains in (…) is null"
_FIELDS_ARE = "metric.NAME, param.NAME, tag.NAME, data.NAME, or one of: " + ", ".join(FIELDS)
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
    reader = _Reader(text, 0, what="field")
    field = reader.field()
    reader.expect_end()
    return field


def parse_order(text: str) -> tuple[Order, ...]:
    """Read an order: fields with commas between them, `-` before one for the greatest first.

    Raises:
        Invalid: there is no such field; the error points at the character.
    """
    orders, at = [], 0
    for word in text.split(","):
        bare = word.strip()
        if bare:
            start = at + word.index(bare)
            sign = bare.startswith("-")
            reader = _Reader(bare[sign:], 0, whole=text, offset=start + sign, what="order")
            orders.append(Order(reader.field(), sign))
            reader.expect_end()
        at += len(word) + 1
    return tuple(orders)


def _near(word: str) -> str:
    """What a word that is no field may have meant: one that is, or a metric or parameter of that name."""
    kind, dot, name = word.partition(".")
    near = get_close_matches(kind, KINDS if dot else FIELDS, n=1, cutoff=0.75)
    if dot:
        return f"{near[0] if near else 'metric'}.{name or 'NAME'}"
    return near[0] if near else f"metric.{word} or param.{word}"


def _meant(rest: str) -> str:
    """A hint for what other languages write."""
    if rest.startswith(("&", "|")):
        return "write 'and'" if rest.startswith("&") else "write 'or'"
    bare = re.match(r"-\d+[smhdw]\b|\d[\w.-]+", rest)  # a time, an id
    return f"write it in quotes: '{bare[0]}'" if bare else ""


class _Reader:
    """Goes through the tokens once."""

    def __init__(self, text: str, now_us: int, *, whole: str = "", offset: int = 0, what: str = "filter") -> None:
        self.text, self.now_us = text, now_us
        self.shown, self.offset, self.what = whole or text, offset, what
        self.tokens = self._tokens()
        self.at = 0

    def _tokens(self) -> list[_Token]:
        tokens, at = [], 0
        end = len(self.text.rstrip())
        while at < end:
            found = _TOKEN.match(self.text, at)
            if found is None:
                at += len(self.text[at:]) - len(self.text[at:].lstrip())
                raise self.error("this cannot stand here", at, hint=_meant(self.text[at:]))
            kind = str(found.lastgroup)
            tokens.append(_Token(kind, found[kind], found.start(kind)))
            at = found.end()
        return [*tokens, _Token("end", "", end)]

    def error(self, what: str, at: int, *, hint: str = "") -> Unreadable:
        return Unreadable(self.what, self.shown, at + self.offset, what, hint=hint)

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
        found = self.texts(field)
        if found is not None:
            return Not(found) if negated else found
        if negated or self.next.kind != "op":
            raise self.error("a comparison is expected here", self.next.at, hint=_COMPARISONS)
        op = self.take().text
        return Comparison(field, "=" if op == "==" else op, (self.value(field),))

    def texts(self, field: Field) -> Comparison | None:
        """A comparison of texts, if that is what follows."""
        word = self.next
        op = word.text.lower()
        if op not in TEXT_OPS:
            return None
        self.take()
        if field.kind in _NUMBERS:
            raise self.error(f"{field} is a number, and {op!r} is for texts", word.at)
        value = self.next
        found = self.value(field)
        if not isinstance(found, str):
            raise self.error(f"a text is expected behind {op!r}", value.at, hint=f"{op} '{value.text}'")
        return Comparison(field, op, (found,))

    def field(self) -> Field:
        token = self.next
        if token.kind != "word":
            hint = _FIELDS_ARE
            raise self.error("a field is expected here", token.at, hint=hint)
        self.take()
        kind, dot, rest = token.text.partition(".")
        if not dot and kind in FIELDS:
            return Field(kind)
        if kind not in KINDS or not rest:
            raise self.error(
                f"there is no field {token.text!r}",
                token.at,
                hint=f"did you mean {_near(token.text)}? Fields are {_FIELDS_ARE}",
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
        if field.kind in _TEXTS and token.kind in ("number", "word"):  # the beginning of an id may be all digits
            return token.text
        value = self.literal(token)
        if field.kind in _TIMES:
            return self.time(value, token.at)
        if field.kind in ("metric", "data") and isinstance(value, str):
            what = "a metric" if field.kind == "metric" else "a version of a dataset"
            raise self.error(f"{what} is a number", token.at)
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
