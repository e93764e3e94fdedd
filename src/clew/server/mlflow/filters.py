"""MLflow's language of filters and orders: comparisons joined with AND, over what a `Grammar` allows.

Parsing here; what a name stands for is the business of the group that asks (`value of`). Comparisons keep SQL's sense
of what is absent: it matches nothing but `IS NULL`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from clew.core.judging import OPERATORS, pattern
from clew.core.types.filter import MOST_FIELDS
from clew.server.mlflow.refusal import invalid

__all__ = [
    "Comparison",
    "Grammar",
    "Order",
    "check_fields",
    "holds",
    "ordered",
    "parse_filter",
    "parse_order",
    "wanted_attribute",
]

T = TypeVar("T")
Value = str | int | float | tuple[str, ...] | None
_KINDS = {
    "metric": "metric",
    "metrics": "metric",
    "parameter": "parameter",
    "parameters": "parameter",
    "param": "parameter",
    "params": "parameter",
    "tag": "tag",
    "tags": "tag",
    "attribute": "attribute",
    "attributes": "attribute",
    "attr": "attribute",
    "run": "attribute",
    "dataset": "dataset",
    "datasets": "dataset",
}
_ENTITIES = ("metric", "parameter", "tag", "attribute", "dataset")
_DATA = ("name", "digest", "context")
_NUMERIC = (">", ">=", "!=", "=", "<", "<=")
_TEXT = ("!=", "=", "LIKE", "ILIKE")
_QUOTED = r'`[^`]*`|"[^"]*"'
_CLAUSE = re.compile(
    rf"""\s*(?P<name>(?:{_QUOTED}|[\w\-]+)(?:\.(?:{_QUOTED}|'[^']*'|[\w\-/]+))*)\s*
    (?:(?P<null>IS\s+(?:NOT\s+)?NULL)\b
      |(?P<op>!=|<>|>=|<=|=|>|<|(?:NOT\s+)?IN\b|NOT\s+LIKE\b|I?LIKE\b|RLIKE\b)\s*
       (?P<value>'(?:''|\\'|[^'])*'|"(?:\\"|[^"])*"|\((?:[^()'"]|'[^']*'|"[^"]*")*\)
                |[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])|[^\s]+))""",
    re.IGNORECASE | re.VERBOSE,
)
"""There is one way to read each part of a name: with two, a long name that fits nowhere is tried in every mixture."""
_ORDER = re.compile(rf"(?=.)((?:{_QUOTED}|[\w\-/]*)(?:\.(?:{_QUOTED}|[\w\-/]*))*)(?:\s+(\w+))?")
_AND, _END = re.compile(r"\s*AND\b", re.IGNORECASE), re.compile(r"\s*\Z")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_ITEM = re.compile(rf"""\s*('[^']*'|"[^"]*"|{_NUMBER.pattern})\s*(?:,|\Z)""")


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """What may be asked about one kind of thing.

    Args:
        kinds: `attribute`, `tag`, `metric`, `parameter`, `dataset`.
        texts: attributes that are texts.
        numbers: attributes that are numbers.
        lists: attributes that IN may ask of.
        orders: attributes that lists can be ordered by.
        aliases: other names of attributes.
        nulls: kinds of which IS NULL may be asked.
        nominal: attributes of which only likeness may be asked.
        bare: kinds, and keys of attributes, whose values may stand with quotes or without.
    """

    kinds: frozenset[str]
    texts: frozenset[str]
    numbers: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    orders: frozenset[str] = frozenset()
    aliases: dict[str, str] = field(default_factory=dict)
    nulls: frozenset[str] = frozenset({"tag", "parameter"})
    nominal: frozenset[str] = frozenset()
    bare: frozenset[str] = frozenset()

    def identify(self, name: str, *, order: bool = False) -> tuple[str, str]:
        """Kind and key of a name."""
        first, dot, rest = _cut_name(name)
        entity, key = (_bare(first), rest) if dot else ("attribute", name)
        kind = _KINDS.get(entity)
        if kind is None or kind not in self.kinds:
            raise invalid(f"Invalid entity type '{entity}'. {self._entities()}")
        key = _bare(key)
        if kind == "attribute":
            key = self.aliases.get(key, key)
            valid = self.orders if order else self.texts | self.numbers
            if key not in valid:
                known = valid | {name for name in self.aliases if not (order and " " in name)}
                raise invalid(f"Invalid attribute key '{key}' specified. Valid keys are '{set(known)}'")
        if kind == "dataset" and order:
            raise invalid(f"Invalid identifier type '{kind}'")
        if kind == "dataset" and key not in _DATA:
            raise invalid(f"Invalid dataset key '{key}' specified. Valid keys are '{set(_DATA)}'")
        return kind, key

    def _entities(self) -> str:
        if "metric" not in self.kinds:
            return "Valid entity types are ('attribute', 'tag', 'tags')"
        return f"Valid values are {[kind for kind in _ENTITIES if kind in self.kinds]}"

    def is_number(self, kind: str, key: str) -> bool:
        """Whether a name stands for numbers."""
        return kind == "metric" or (kind == "attribute" and key in self.numbers)

    def check(self, kind: str, key: str, op: str) -> None:
        """Refuse an operator that has no meaning for a name."""
        if op in ("IS NULL", "IS NOT NULL"):
            if kind not in self.nulls:
                raise invalid(f"IS NULL / IS NOT NULL is only supported for tags and params, not for '{kind}' '{key}'")
            return
        number = self.is_number(kind, key)
        valid: tuple[str, ...] = (
            _NUMERIC if number else (*_TEXT, "IS NULL", "IS NOT NULL") if kind in self.nulls else _TEXT
        )
        if kind == "attribute" and key in self.nominal:
            valid = ("=", "!=")
        listed = kind == "dataset" or (kind == "attribute" and not number)
        if op not in valid and not (listed and op in ("IN", "NOT IN")):
            raise invalid(f"Invalid comparator '{op}' not one of '{set(valid)}'")


@dataclass(frozen=True)
class Comparison:
    """One clause."""

    kind: str
    key: str
    op: str
    value: Value


@dataclass(frozen=True)
class Order:
    """One key of an order."""

    kind: str
    key: str
    ascending: bool


def parse_filter(text: str, grammar: Grammar) -> list[Comparison]:
    """The clauses of a filter, all of which must hold.

    Raises:
        Refusal: it is not in the language.
    """
    clauses: list[Comparison] = []
    at = _past_and(text, 0)
    while not _END.match(text, at):
        found = _CLAUSE.match(text, at)
        if found is None:
            raise invalid(f"Invalid clause(s) in filter string: '{text[at:].strip()}'")
        clauses.append(_comparison(found, grammar))
        behind = _past_and(text, found.end())
        if behind == found.end() and not _END.match(text, behind):
            raise invalid(f"Invalid clause(s) in filter string: '{text[behind:].strip()}'")
        at = behind
    return clauses


def _past_and(text: str, at: int) -> int:
    joint = _AND.match(text, at)
    return joint.end() if joint else at


def _comparison(found: re.Match[str], grammar: Grammar) -> Comparison:
    kind, key = grammar.identify(found["name"])
    op = " ".join((found["null"] or found["op"]).upper().split())
    value = None if found["null"] else _value(found["value"], kind, key, op, grammar)
    grammar.check(kind, key, op)
    return Comparison(kind, key, op, value)


def check_fields(clauses: Iterable[Comparison], orders: Iterable[object]) -> None:
    """Refuse a search for too many things: each is held for all runs or models.

    Args:
        clauses: the filter.
        orders: each as what tells it from the others.
    """
    asked = len({(each.kind, each.key) for each in clauses}) + len(set(orders))
    if asked > MOST_FIELDS:
        raise invalid(f"A search can ask for at most {MOST_FIELDS} fields in its filter and order_by. Got {asked}.")


def wanted_attribute(clauses: Iterable[Comparison], key: str) -> str:
    """The text that an attribute must be equal to; empty where nothing says so."""
    asked = ("attribute", key, "=")
    return next((str(each.value) for each in clauses if (each.kind, each.key, each.op) == asked), "")


def _value(text: str, kind: str, key: str, op: str, grammar: Grammar) -> Value:
    if text.startswith("(") and (kind == "dataset" or (kind == "attribute" and key not in grammar.numbers)):
        if kind == "attribute" and key not in grammar.lists:
            names = sorted(grammar.lists)
            raise invalid(f"Only {names} attributes support comparison with a list of quoted string values.")
        return _list(text)
    quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "'\""
    bare = (key if kind == "attribute" else kind) in grammar.bare
    if grammar.is_number(kind, key):
        text = text[1:-1] if quoted and bare else text
        if not _NUMBER.fullmatch(text):
            what = "metric" if kind == "metric" else f"numeric attribute: {key}"
            raise invalid(f"Expected numeric value type for {what}. Found {text}")
        return float(text) if kind == "metric" or not re.fullmatch(r"[-+]?\d+", text) else int(text)
    if quoted or bare:
        if op in ("IN", "NOT IN"):
            raise invalid("While parsing a list in the query, expected a non-empty list of string values.")
        return text[1:-1] if quoted else text
    if kind == "attribute":
        raise invalid(f"Expected a quoted string value for attributes. Got value {text}")
    raise invalid(f"Expected a quoted string value for {kind} (e.g. 'my-value'). Got value {text}")


def _list(text: str) -> tuple[str, ...]:
    """The texts between parentheses."""
    expected = "While parsing a list in the query, expected"
    inner, items, at = text[1:-1], [], 0
    while not _END.match(inner, at):
        found = _ITEM.match(inner, at)
        if found is None:
            raise invalid(f"{expected} a non-empty list of string values, but got ill-formed list.")
        items.append(found[1])
        at = found.end()
    if not items:
        raise invalid(f"{expected} a non-empty list of string values, but got empty list")
    if any(_NUMBER.fullmatch(item) for item in items):
        shown = f"({', '.join(items)}{',' * (len(items) == 1)})"
        raise invalid(f"{expected} string value, punctuation, or whitespace, but got different type in list: {shown}")
    return tuple(item[1:-1] for item in items)


def parse_order(orders: Iterable[str], grammar: Grammar) -> list[Order]:
    """The keys of an order.

    Raises:
        Refusal: one is not in the language, or stands there twice.
    """
    found: dict[tuple[str, str], Order] = {}
    for text in orders:
        name, ascending = _direction(text)
        field = grammar.identify(name, order=True)
        if field in found:
            raise invalid(f"`order_by` contains duplicate fields: {list(orders)}")
        found[field] = Order(*field, ascending)
    return list(found.values())


def _direction(text: str) -> tuple[str, bool]:
    text = text.strip()
    match = _ORDER.fullmatch(text)
    if match is None:
        raise invalid(f"Invalid order_by clause '{text}'. Could not be parsed.")
    way = (match[2] or "asc").lower()
    if way not in ("asc", "desc"):
        raise invalid(f"Invalid ordering key in order_by clause '{text}'.")
    return match[1], way == "asc"


def holds(value: str | int | float | None, clause: Comparison) -> bool:
    """Whether a value fulfils a clause; None stands for what is not there."""
    op, wanted = clause.op, clause.value
    if op == "IS NULL" or op == "IS NOT NULL":
        return (value is None) == (op == "IS NULL")
    if value is None:
        return False
    if op == "LIKE" or op == "ILIKE":
        return pattern(str(wanted), fold=op == "ILIKE").fullmatch(str(value)) is not None
    if op == "IN" or op == "NOT IN":
        return (value in wanted) == (op == "IN")  # type: ignore[operator]
    return bool(OPERATORS[op](value, wanted))


def ordered(things: list[T], orders: Sequence[Order], value_of: Callable[[T, str, str], Any]) -> list[T]:
    """Things in an order; NaN stands behind all numbers, and what is absent at the end, whichever the direction."""
    for order in reversed(orders):
        values = [(value_of(thing, order.kind, order.key), thing) for thing in things]
        there = [pair for pair in values if pair[0] is not None and not _is_nan(pair[0])]
        there.sort(key=lambda pair: pair[0], reverse=not order.ascending)
        nans = [pair for pair in values if _is_nan(pair[0])]
        absent = [pair for pair in values if pair[0] is None]
        things = [thing for _, thing in there + nans + absent]
    return things


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _cut_name(name: str) -> tuple[str, bool, str]:
    """The first part of a dotted name, which may stand in quotes, and the rest."""
    if name[0] in '`"' and name.find(name[0], 1) > 0:
        end = name.index(name[0], 1) + 1
        return name[:end], name[end : end + 1] == ".", name[end + 1 :]
    first, dot, rest = name.partition(".")
    return first, bool(dot), rest


def _bare(name: str) -> str:
    return name[1:-1] if len(name) >= 2 and name[0] == name[-1] and name[0] in "`\"'" else name
