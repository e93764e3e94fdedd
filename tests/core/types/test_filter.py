"""Filters as trees: what they ask for, and of which parts they are made."""

from __future__ import annotations

from clew.core.types.filter import Both, Comparison, Field, Filter, Not, every, fields_of, parts_of

A, B, C = (Comparison(Field("param", name), "=", (1,)) for name in "abc")


def test_each_field_is_asked_for_once() -> None:
    wanted: Filter = Both("or", (A, Not(B), Both("and", (A, C))))
    assert [str(field) for field in fields_of(wanted)] == ["param.a", "param.b", "param.c"]


def test_what_must_hold_is_taken_apart_and_nothing_else() -> None:
    either: Filter = Both("or", (A, B))
    assert parts_of(None) == ()
    assert parts_of(A) == (A,)
    assert parts_of(either) == (either,)
    assert parts_of(Both("and", (A, Both("and", (either, Not(B)))))) == (A, either, Not(B))


def test_what_is_asked_for_is_joined() -> None:
    assert every() is every(None, None) is None
    assert every(A, None) == A
    assert set(parts_of(every(A, B, None))) == {A, B}


def test_a_field_is_written_with_dots() -> None:
    assert str(Field("metric", "auc", "max")) == "metric.auc.max"
    assert str(Field("name")) == "name"
