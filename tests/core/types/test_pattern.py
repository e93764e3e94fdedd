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


@pytest.mark.parametrize(
    ("pattern", "low", "high"),
    [
        ("a{3}", 3, 3),
        ("a{0}", 0, 0),
        ("a{2,}", 2, None),
        ("a{2,2}", 2, 2),
        ("a{0,5}", 0, 5),
        ("a*", 0, None),
        ("a+", 1, None),
        ("a?", 0, 1),
    ],
)
def test_repetitions(pattern: str, low: int, high: int | None) -> None:
    assert parse_pattern(pattern) == Repeat(Characters(((97, 97),)), low, high)


@pytest.mark.parametrize("pattern", ["a{,3}", "a{}", "a{2,x}", "a{x}", "a{-1}", "a{2,-3}", "a{1 }", "a{2", "(?P<n>a)"])
def test_what_is_no_repetition_or_group_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid):
        parse_pattern(pattern)


def test_patterns_unroll_to_500_characters_and_no_more() -> None:
    for fits in ("a" * 500, "a{500}", "(ab){250}", "(a{250}){2}"):
        parse_pattern(fits)
    for too_many in ("a{501}", "a" * 490 + "b{11}", "(ab){251}", "a{501,}", "(a|b){251}"):
        with pytest.raises(Invalid, match="too many repetitions"):
            parse_pattern(too_many)


@pytest.mark.parametrize(
    ("pattern", "ranges"),
    [
        ("[a-c]", ((97, 99),)),
        ("[a-a]", ((97, 97),)),
        ("[a-]", ((45, 45), (97, 97))),
        ("[ac-eb]", ((97, 101),)),
        ("[ace]", ((97, 97), (99, 99), (101, 101))),
        (r"[\d_]", ((48, 57), (95, 95))),
        (r"[^\x]"[:2] + "\x00-\U0010fffe]", ((0x10FFFF, 0x10FFFF),)),
        (r"\t", ((9, 9),)),
        (r"\.", ((46, 46),)),
        (r"\d", ((48, 57),)),
        (".", ((0, 9), (11, 0x10FFFF))),
    ],
)
def test_characters(pattern: str, ranges: tuple[tuple[int, int], ...]) -> None:
    assert parse_pattern(pattern) == Characters(ranges)


@pytest.mark.parametrize("pattern", [r"\q", r"\é", r"[\d-z]", r"[a-\d]", "[b-a]", "[^\x00-\U0010ffff]"])
def test_what_is_no_character_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid):
        parse_pattern(pattern)


def test_groups_are_what_they_hold() -> None:
    assert parse_pattern("(a)") == parse_pattern("(?:a)") == parse_pattern("a")
    assert parse_pattern(r"a\\$") == parse_pattern(r"a\\")
    assert parse_pattern(r"a\$") != parse_pattern("a")
