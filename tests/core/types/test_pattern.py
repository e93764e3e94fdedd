"""Patterns: what the language holds, and what it refuses."""

from __future__ import annotations

import pytest

from clew.core.errors import Invalid
from clew.core.types.pattern import Characters, Choice, Repeat, Sequence, parse_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", ")", "a)", "[", "[]", "[z-a]", "[[a]]", "[a", r"[^\d\D]", "a**", "a+?", "a{2}{3}", "*", "{2}", "a{2"),
        *("a{3,2}", r"\1", r"\b", "(?=a)", "(?i)a", "a^b", "a$b", "\\", "(a{400}){2}", "a" * 501, "(" * 30 + ")" * 30),
    ],
)
def test_what_is_left_out_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid):
        parse_pattern(pattern)


def test_a_pattern_is_a_tree() -> None:
    a, b = Characters(((97, 97),)), Characters(((98, 98),))
    assert parse_pattern("a{2,}|b?a") == Choice((Repeat(a, 2, None), Sequence((Repeat(b, 0, 1), a))))
    assert parse_pattern("[ab]") == Characters(((97, 98),))


def test_anchors_at_the_ends_are_allowed_and_say_nothing_new() -> None:
    assert parse_pattern(r"^AB\$$") == parse_pattern(r"AB\$")
    assert parse_pattern("^$") == Sequence(())
