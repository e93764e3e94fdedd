"""MLflow's filters and orders of runs in clew's own words, so that the index of searches answers them.

What an index cannot say exactly is translated to something that lets more runs through, and comes back to be judged
on each of those (`search_runs`): which parameter texts are numbers or None here, datasets, addresses of files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from clew.core.types.filter import Both, Comparison, Field, Filter, Not, Order, every
from clew.server.mlflow import filters
from clew.server.mlflow.answers import LARGEST, NAME_TAG, PARENT_TAG, STATUSES, USER_TAG
from clew.server.mlflow.filters import holds

__all__ = ["translate_filter", "translate_order"]

_TEXT_OPS = {"=": "=", "!=": "!=", "LIKE": "like", "ILIKE": "ilike"}
_OF_NUMBERS = frozenset("0123456789+-.einfatruefalsenone\u0307\u0131")
"""The folded characters of which Python writes numbers, truths and None, with those that a pattern takes for `i`."""
_NAMED = {"True": 1.0, "False": 0.0}
_TIMES = {"start_time": Field("created", "", "ms"), "end_time": Field("ended", "", "ms")}
_NAME, _ID, _PARENT, _STATUS = Field("name"), Field("id"), Field("parent"), Field("status")
_TEXTS = {"run_id": _ID, "run_name": _NAME}


def translate_filter(clauses: Sequence[filters.Comparison]) -> tuple[Filter | None, list[filters.Comparison]]:
    """What all runs pass that fulfil the clauses, and the clauses that must still be asked of those that pass."""
    asked: list[Filter | None] = []
    rest: list[filters.Comparison] = []
    for clause in clauses:
        translated, exact = _BY_KIND[clause.kind](clause)
        asked.append(translated)
        if not exact:
            rest.append(clause)
    return every(*asked), rest


def translate_order(orders: Sequence[filters.Order]) -> tuple[Order, ...] | None:
    """The same order, ties by MLflow's rule: what started last first, then by id; None where there is no such order."""
    found: list[Order] = []
    for order in orders:
        field = _order_field(order)
        if field is None:
            return None
        found.append(Order(field, not order.ascending))
        if order.kind == "metric":
            found.append(Order(Field("metric", order.key, "there")))  # NaN stands before what is absent
    return (*found, Order(_TIMES["start_time"], descending=True), Order(_ID))


def _order_field(order: filters.Order) -> Field | None:
    if order.kind == "metric":
        return Field("metric", order.key, "last")
    if order.kind == "attribute":
        return _TIMES.get(order.key) or _TEXTS.get(order.key)
    if order.kind == "tag" and order.key != PARENT_TAG:
        return _NAME if order.key == NAME_TAG else Field("tag", order.key)
    return None


_Translated = tuple[Filter | None, bool]
"""A filter, and whether it says exactly what the clause says."""


def _metric(clause: filters.Comparison) -> _Translated:
    value = clause.value
    assert isinstance(value, int | float)
    if abs(value) >= LARGEST:
        return None, False  # infinity is told as the greatest number
    return Comparison(Field("metric", clause.key, "last"), clause.op, (value,)), True


def _tag(clause: filters.Comparison) -> _Translated:
    if clause.key == NAME_TAG:
        return _always_there(_NAME, clause), True
    tag = Field("tag", clause.key)
    if clause.key == PARENT_TAG:
        return _or_else(tag, clause, _text(_PARENT, clause)), True
    return _text(tag, clause), True


def _attribute(clause: filters.Comparison) -> _Translated:
    if clause.key in _TIMES:
        value = clause.value
        assert isinstance(value, int | float)
        return Comparison(_TIMES[clause.key], clause.op, (value,)), True
    if clause.key == "status":
        return Comparison(_STATUS, "in", tuple(ours for ours, name in STATUSES.items() if holds(name, clause))), True
    if clause.key == "user_id":
        user = _always_there(Field("created_by"), clause)
        return _or_else(Field("tag", USER_TAG), clause, user), True
    if clause.key in _TEXTS:
        return _always_there(_TEXTS[clause.key], clause), True
    return None, False


def _parameter(clause: filters.Comparison) -> _Translated:
    """A parameter: here a number, a truth or None where Python writes it as the text that MLflow's clients know."""
    field, text = Field("param", clause.key), str(clause.value)
    if clause.op == "IS NOT NULL":
        return None, False
    if clause.op == "IS NULL":
        return _absent(field), False
    if clause.op == "!=":
        return _any_of(_text(field, clause), _absent(field)), False
    if clause.op == "=":
        return _equal(field, text)
    if set(text.casefold()) - {"%", "_"} - _OF_NUMBERS:
        return _text(field, clause), True
    return _any_of(_text(field, clause), *_numbers(field), _absent(field)), False


def _equal(field: Field, text: str) -> _Translated:
    number = _NAMED.get(text)
    if number is None:
        try:
            number = float(text)
        except ValueError:
            number = None
    if number is None and text != "None":
        return Comparison(field, "=", (text,)), True
    if number is None or math.isnan(number):
        return _any_of(Comparison(field, "=", (text,)), *_numbers(field), _absent(field)), False
    return Comparison(field, "in", (text, number)), False


def _numbers(field: Field) -> tuple[Filter, Filter]:
    """One of these holds for every number, NaN among them."""
    some = Comparison(field, "<=", (math.inf,))
    return some, Not(some)


def _dataset(clause: filters.Comparison) -> _Translated:  # noqa: ARG001
    return None, False


_BY_KIND = {"metric": _metric, "tag": _tag, "attribute": _attribute, "parameter": _parameter, "dataset": _dataset}


def _text(field: Field, clause: filters.Comparison) -> Filter:
    if clause.op in ("IS NULL", "IN"):
        return _absent(field) if clause.op == "IS NULL" else Comparison(field, "in", _values(clause))
    if clause.op in ("IS NOT NULL", "NOT IN"):
        return Not(_absent(field) if clause.op == "IS NOT NULL" else Comparison(field, "in", _values(clause)))
    return Comparison(field, _TEXT_OPS[clause.op], (str(clause.value),))


def _values(clause: filters.Comparison) -> tuple[str, ...]:
    assert isinstance(clause.value, tuple)
    return clause.value


def _always_there(field: Field, clause: filters.Comparison) -> Filter:
    """A clause about a text that every run has; the empty one counts as absent in searches."""
    if clause.op == "IS NULL":
        return Comparison(field, "in", ())
    found = _text(field, clause)
    return _any_of(found, _absent(field)) if holds("", clause) else found


def _or_else(tag: Field, clause: filters.Comparison, other: Filter) -> Filter:
    """A clause about a tag, or where a run has none about what stands for it."""
    if clause.op == "IS NULL":
        return Both("and", (_absent(tag), other))
    return _any_of(_text(tag, clause), Both("and", (_absent(tag), other)))


def _absent(field: Field) -> Filter:
    return Comparison(field, "is", (None,))


def _any_of(*parts: Filter) -> Filter:
    return Both("or", parts)
