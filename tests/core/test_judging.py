"""What a filter and an order mean for one run; that every plan of a search agrees is held in `tests/store/ledger`."""

from __future__ import annotations

import itertools
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.errors import Invalid
from clew.core.judging import (
    MISSING,
    NUMBER,
    TEXT,
    FoundRun,
    aggregate_of,
    as_number,
    key_of,
    key_of_token,
    matches,
    pattern,
    sort_key,
    token_of,
    value_of,
)
from clew.core.types.filter import Both, Comparison, Field, Filter, Not, Order, Value
from clew.core.types.run import Run, RunKind, RunStatus
from clew.core.types.series import Series

RUN = Run(
    id="0a",
    project="p",
    experiment="e",
    name="calm-otter",
    kind=RunKind.SCRIPT,
    status=RunStatus.FINISHED,
    created_us=1_500_000,
    ended_us=4_000_000,
    created_by="ann",
    params={"depth": 3, "none": None},
    tags={"team": "air"},
)
LOSS = Series(
    run="0a",
    key="loss",
    count=4,
    nans=1,
    low=-1.0,
    high=7.0,
    total=6.0,
    first=2.0,
    last=5.0,
    last_step=3,
    last_time_us=1,
)
FOUND = FoundRun(run=RUN, experiment="trees", metrics={"loss": LOSS}, data={"flights": 7})


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (Field("metric", "loss", "max"), 7.0),
        (Field("metric", "acc", "max"), None),
        (Field("data", "flights"), 7),
        (Field("data", "none"), None),
        (Field("param", "depth"), 3),
        (Field("param", "none"), None),
        (Field("tag", "team"), "air"),
        (Field("tag", "depth"), None),
        (Field("experiment"), "trees"),
        (Field("duration"), 2.5),
        (Field("created"), 1_500_000),
        (Field("created", "", "ms"), 1_500),
        (Field("ended"), 4_000_000),
        (Field("ended", "", "ms"), 4_000),
        (Field("name"), "calm-otter"),
        (Field("status"), "finished"),
        (Field("parent"), None),
    ],
)
def test_the_value_of_a_field(field: Field, expected: Value) -> None:
    assert value_of(FOUND, field) == expected


def test_a_run_that_goes_on_has_no_end() -> None:
    goes_on = FoundRun(run=msgspec.structs.replace(RUN, ended_us=0), experiment="")
    for field in (Field("ended"), Field("ended", "", "ms"), Field("duration")):
        assert value_of(goes_on, field) is None


def test_one_number_for_a_series() -> None:
    found = {name: aggregate_of(LOSS, name) for name in ("last", "first", "min", "max", "mean", "count", "there")}
    assert found == {"last": 5.0, "first": 2.0, "min": -1.0, "max": 7.0, "mean": 2.0, "count": 4.0, "there": 1.0}
    lost = Series(
        run="r",
        key="k",
        count=2,
        nans=2,
        low=1.0,
        high=1.0,
        total=0.0,
        first=1.0,
        last=1.0,
        last_step=0,
        last_time_us=0,
    )
    assert math.isnan(aggregate_of(lost, "mean"))


A, B = Field("param", "a"), Field("param", "b")
TRUTHS = {"true": True, "false": False, "unknown": None}


def test_unknown_is_as_in_sql() -> None:
    """Both, either and not, over every pair of what a part may say."""
    for (one, first), (two, second) in itertools.product(TRUTHS.items(), repeat=2):
        values: dict[Field, Value] = {}
        for field, word in ((A, one), (B, two)):
            values[field] = {"true": 1, "false": 0, "unknown": None}[word]
        parts = tuple(Comparison(field, "=", (1,)) for field in (A, B))
        both = matches(Both("and", parts), values.get)
        either = matches(Both("or", parts), values.get)
        assert both is (False if False in (first, second) else None if None in (first, second) else True)
        assert either is (True if True in (first, second) else None if None in (first, second) else False)
        assert matches(Not(parts[0]), values.get) is {True: False, False: True, None: None}[first]


@pytest.mark.parametrize(
    ("found", "op", "values", "expected"),
    [
        (None, "is", (None,), True),
        (1, "is", (None,), False),
        (None, "=", (1,), None),
        (None, "in", (1,), None),
        (2, "in", (1, 2), True),
        (2, "in", ("2", 1), False),
        (2, "in", (None,), False),
        ("a", "in", (1, "a"), True),
        (1, "=", (1.0,), True),
        (True, "=", (1,), True),
        (1, "!=", (1,), False),
        (1, "!=", ("1",), True),
        (1, "=", ("1",), None),
        (1, "<", ("2",), None),
        (1, "<", (1,), False),
        (1, "<=", (1,), True),
        (1, ">", (1,), False),
        (1, ">=", (1,), True),
        ("a", "<", ("b",), True),
        ("a\0", "=", ("a\ufffd",), True),
        (math.nan, "=", (math.nan,), False),
        (math.nan, "!=", (1,), True),
        (10**400, "=", (math.inf,), True),
        (-(10**400), "<", (0,), True),
        (3, "~", ("3",), None),
        ("Abc", "~", ("bC",), True),
        ("Abc", "contains", ("bC",), False),
        ("Abc", "contains", ("bc",), True),
        ("Abc", "like", ("A%",), True),
        ("Abc", "like", ("a%",), False),
        ("Abc", "ilike", ("a_C",), True),
        ("A\nc", "like", ("A_c",), True),
        ("abc", "like", ("ab",), False),
    ],
)
def test_what_a_comparison_says(found: Value, op: str, values: tuple[Value, ...], expected: bool | None) -> None:
    assert matches(Comparison(A, op, values), {A: found}.get) is expected


def test_numbers_beyond_floats_keep_their_side() -> None:
    assert (as_number(10**400), as_number(-(10**400)), as_number(True)) == (math.inf, -math.inf, 1.0)


def like(wanted: str, text: str) -> bool:
    """`LIKE`, letter by letter."""
    if not wanted:
        return not text
    if wanted[0] == "%":
        return any(like(wanted[1:], text[at:]) for at in range(len(text) + 1))
    return bool(text) and wanted[0] in ("_", text[0]) and like(wanted[1:], text[1:])


@given(wanted=st.text("ab%_", max_size=8), text=st.text("ab", max_size=8))
def test_patterns_are_those_of_sql(wanted: str, text: str) -> None:
    assert (pattern(wanted, fold=False).fullmatch(text) is not None) == like(wanted, text)


def test_kinds_of_values_are_sorted_one_behind_the_other() -> None:
    assert [key_of(value) for value in (2, True, "a\0", None, math.nan)] == [
        (NUMBER, 2.0),
        (NUMBER, 1.0),
        (TEXT, "a\ufffd"),
        (MISSING, 0.0),
        (MISSING, 0.0),
    ]
    values: list[Value] = ["b", None, 3, "a", -1]
    for descending, expected in ((False, [-1, 3, "a", "b", None]), (True, [3, -1, "b", "a", None])):
        order = [Order(A, descending)]
        assert sorted(values, key=lambda value, order=order: sort_key([key_of(value)], order, "r")) == expected
    assert sorted(["0a", "0b"], key=lambda each: sort_key([], [], each)) == ["0b", "0a"], "the newest first"


def test_a_cursor_is_of_one_order() -> None:
    order = [Order(A), Order(B, descending=True)]
    keys = [(NUMBER, 2.5), (TEXT, "a")]
    token = token_of(keys, order, "0a")
    assert key_of_token(token, order) == (keys, "0a")
    assert (token_of([], [], "0a"), key_of_token("0a", []), key_of_token("", order)) == ("0a", ([], "0a"), ([], ""))
    others = ([Order(A), Order(B)], [Order(A)], [Order(B), Order(A, descending=True)])
    wrong = [token_of([(NUMBER, "a"), (TEXT, "a")], order, "0a"), token_of([(TEXT, 1.0), (TEXT, "a")], order, "0a")]
    wrong += [
        token_of([(NUMBER, math.nan), (TEXT, "a")], order, "0a"),
        token_of(keys[:1], order, "0a"),
        "x",
        "ä",
        "AAAA",
    ]
    for given_order, given_token in [*((other, token) for other in others), *((order, each) for each in wrong)]:
        with pytest.raises(Invalid, match="no page token of this order"):
            key_of_token(given_token, given_order)


def test_a_filter_is_not_a_filter_of_its_own() -> None:
    always: Filter = Both("and", ())
    assert matches(always, {}.get) is True
    assert matches(Both("or", ()), {}.get) is False
