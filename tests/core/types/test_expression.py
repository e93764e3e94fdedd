"""Rules: what the language holds, what it refuses, and that it tells people why."""

from __future__ import annotations

import pytest

from clew.core.errors import Invalid
from clew.core.types.expression import (
    Arithmetic,
    Call,
    Column,
    Compare,
    IsMissing,
    Kind,
    Literal,
    Logic,
    Member,
    Not,
    columns_of,
    kind_of,
    parse_rule,
)

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
        ("i >=", "cannot be read: invalid syntax"),
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


WHOLE, X, S, B, T = (Column(name, COLUMNS[name]) for name in "ixsbt")


@pytest.mark.parametrize(
    ("rule", "tree"),
    [
        ("i < 3", Compare("<", WHOLE, Literal(3, Kind.WHOLE), Kind.WHOLE)),
        ("i < x", Compare("<", WHOLE, X, Kind.REAL)),
        ("x < 2.5", Compare("<", X, Literal(2.5, Kind.REAL), Kind.REAL)),
        ("i > -3", Compare(">", WHOLE, Literal(-3, Kind.WHOLE), Kind.WHOLE)),
        ("x > -i", Compare(">", X, Arithmetic("-", Literal(0, Kind.WHOLE), WHOLE), Kind.REAL)),
        ("b == True", Compare("==", B, Literal(True, Kind.TRUTH), Kind.TRUTH)),
        ("b != b", Compare("!=", B, B, Kind.TRUTH)),
        ("s is None", IsMissing(S)),
        ("s is not None", Not(IsMissing(S))),
        ("not b", Not(B)),
        ("b or b", Logic("or", (B, B))),
        ("b and b", Logic("and", (B, B))),
        ("b", B),
        ("i in (1, 2)", Member(WHOLE, (1, 2), Kind.WHOLE)),
        ("i not in [1]", Not(Member(WHOLE, (1,), Kind.WHOLE))),
        ("x in {1, 2.5}", Member(X, (1.0, 2.5), Kind.REAL)),
        ("t in ('1970-01-01',)", Member(T, (0,), Kind.INSTANT)),
        ("'1970-01-01' < t", Compare("<", Literal(0, Kind.INSTANT), T, Kind.INSTANT)),
        ("abs(i) > 1", Compare(">", Call("abs", WHOLE), Literal(1, Kind.WHOLE), Kind.REAL)),
        ("len(s) > 1", Compare(">", Call("len", S), Literal(1, Kind.WHOLE), Kind.WHOLE)),
        ("t - t > 1", Compare(">", Arithmetic("-", T, T), Literal(1, Kind.WHOLE), Kind.REAL)),
    ],
)
def test_a_rule_is_a_tree(rule: str, tree: object) -> None:
    assert parse_rule(rule, COLUMNS) == tree
    assert kind_of(parse_rule(rule, COLUMNS)) is Kind.TRUTH


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (2**63 - 1, Kind.WHOLE),
        (2**63, Kind.REAL),
        (-(2**63) + 1, Kind.WHOLE),
        (-(2**63) - 1, Kind.REAL),
    ],
)
def test_whole_numbers_beyond_64_bits_are_real(number: int, kind: Kind) -> None:
    rule = parse_rule(f"x < {number}", COLUMNS)
    assert isinstance(rule, Compare)
    assert isinstance(rule.right, Literal)
    assert rule.right.kind is kind


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("i in ()", "'in' without a list"),
        ("b in (True, False)", "not every value"),
        ("t + t > 1", "arithmetic that has no meaning"),
        ("t - i > 1", "arithmetic that has no meaning"),
        ("i - t > 1", "arithmetic that has no meaning"),
        ("abs(s) > 1", "takes abs()"),
        ("-s == s", "arithmetic that has no meaning"),
        ("s is s", "something else than None"),
        ("abs(i, i) > 1", "do not know"),
        ("column(i) > 1", "calls column()"),
        ("column(3) > 1", "calls column()"),
        ("i == None", "do not know"),
    ],
)
def test_more_that_is_no_rule(rule: str, why: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_rule(rule, COLUMNS)
    assert why in str(caught.value)


def test_a_rule_may_be_as_long_and_as_deep_as_said() -> None:
    longest = "b or " + " " * (1000 - 6) + "b"
    assert len(longest) == 1000
    assert isinstance(parse_rule(longest, COLUMNS), Logic)
    with pytest.raises(Invalid, match="too long"):
        parse_rule(longest + " ", COLUMNS)
    deepest = 0
    for depth in range(1, 60):
        try:
            parse_rule("not " * depth + "b", COLUMNS)
        except Invalid:
            break
        deepest = depth
    assert deepest == 40
