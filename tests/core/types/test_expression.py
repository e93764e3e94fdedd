"""Rules: what the language holds, what it refuses, and that it tells people why."""

from __future__ import annotations

import pytest

from clew.core.errors import Invalid
from clew.core.types.expression import Compare, Kind, Literal, Logic, columns_of, parse_rule

COLUMNS = {
    "i": Kind.WHOLE,
    "x": Kind.REAL,
    "s": Kind.TEXT,
    "b": Kind.TRUTH,
    "t": Kind.INSTANT,
    "dep time": Kind.WHOLE,
}


def test_a_chain_is_two_comparisons() -> None:
    rule = parse_rule("0 <= i <= 100", COLUMNS)
    assert isinstance(rule, Logic)
    assert [part.op for part in rule.parts if isinstance(part, Compare)] == ["<=", "<="]


def test_a_text_beside_a_time_is_a_time() -> None:
    rule = parse_rule("t >= '1970-01-01T00:00:01Z'", COLUMNS)
    assert isinstance(rule, Compare)
    assert rule.right == Literal(1_000_000, Kind.INSTANT)


def test_the_columns_of_a_rule_are_known() -> None:
    assert columns_of(parse_rule("i < x or column('dep time') in (1, 2) and not b", COLUMNS)) == (
        "b",
        "dep time",
        "i",
        "x",
    )


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("i >=", "cannot be read"),
        ("i + 1", "does not say something true or false"),
        ("1 < 2", "names no column"),
        ("y > 1", "no entry with a type"),
        ("s > 1", "compares different things: string > integer"),
        ("t > 'yesterday'", "compares a time with 'yesterday'"),
        ("s + s == s", "arithmetic that has no meaning"),
        ("t + 1 > t", "arithmetic that has no meaning"),
        ("b < b", "orders truths"),
        ("i and b", "gives 'i' (integer) to 'and'"),
        ("i in s", "'in' without a list"),
        ("i in (1, 'a')", "not every value"),
        ("i in (1, x)", "not every value"),
        ("i is 3", "something else than None"),
        ("len(i) > 1", "takes len() of 'i'"),
        ("open('x') == s", "calls open()"),
        ("s.upper() == s", "do not know"),
        ("i if b else i", "do not know"),
        ("(lambda: b)()", "do not know"),
        ("[b for b in s]", "do not know"),
        ("i ** 9 > 1", "do not know"),
        ("__import__('os')", "calls __import__()"),
        ("b and " * 200 + "b", "too long"),
        ("(" * 300 + "b" + ")" * 300, "cannot be read"),
        ("not " * 60 + "b", "nested too deeply"),
        ("i < " + "9" * 400, "400 digits"),
        ("i < 1\0", "cannot be read"),
    ],
)
def test_what_is_no_rule_is_refused_with_a_reason(rule: str, why: str) -> None:
    with pytest.raises(Invalid, match="rule") as caught:
        parse_rule(rule, COLUMNS)
    assert why in str(caught.value)
