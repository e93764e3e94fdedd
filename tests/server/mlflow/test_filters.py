"""The language of filters and orders, without a client."""

from __future__ import annotations

import contextlib
import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.server.mlflow.filters import Comparison, Grammar, Order, holds, ordered, parse_filter, parse_order
from clew.server.mlflow.refusal import Refusal

GRAMMAR = Grammar(
    kinds=frozenset({"attribute", "tag", "metric", "parameter", "dataset"}),
    texts=frozenset({"run_id", "status"}),
    numbers=frozenset({"start_time"}),
    lists=frozenset({"run_id"}),
    orders=frozenset({"start_time"}),
    aliases={"created": "start_time"},
)


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("", []),
        ("metrics.a > 1", [Comparison("metric", "a", ">", 1.0)]),
        ("metrics.`a b/c`<=-1e-3", [Comparison("metric", "a b/c", "<=", -0.001)]),
        ("params.x = 'it is AND'", [Comparison("parameter", "x", "=", "it is AND")]),
        ('tags."k.v" ilike "%A_"', [Comparison("tag", "k.v", "ILIKE", "%A_")]),
        ("tags.mlflow.user is not null", [Comparison("tag", "mlflow.user", "IS NOT NULL", None)]),
        (
            "status = 'RUNNING' and created >= 5",
            [Comparison("attribute", "status", "=", "RUNNING"), Comparison("attribute", "start_time", ">=", 5)],
        ),
        ("tags.'k v' = 'x'", [Comparison("tag", "k v", "=", "x")]),
        ("run_id NOT  IN ('a', \"b\")", [Comparison("attribute", "run_id", "NOT IN", ("a", "b"))]),
        ("dataset.name IN ('a')", [Comparison("dataset", "name", "IN", ("a",))]),
        ("run_id IN ( 'a,b' , \"c'd\",)", [Comparison("attribute", "run_id", "IN", ("a,b", "c'd"))]),
    ],
)
def test_what_is_in_the_language(text: str, clauses: list[Comparison]) -> None:
    assert parse_filter(text, GRAMMAR) == clauses


@pytest.mark.parametrize(
    "text",
    [
        "metrics.a > 'x'",
        "metrics.a",
        "params.x = 1",
        "params.x > 'a'",
        "status IN ('a')",
        "run_id IN ()",
        "run_id IN (1)",
        "run_id IN (,)",
        "run_id IN ('a' 'b')",
        "run_id IN ('a', 1)",
        "run_id IN (a, b)",
        pytest.param(f"run_id IN ({'-' * 100_000}1)", id="deep"),
        pytest.param(f"run_id IN ({'+1' * 100_000})", id="long"),
        "nowhere.a = 'b'",
        "unknown = 'b'",
        "metrics.a > 1 OR metrics.a < 0",
        "metrics.a > 1 metrics.a < 0",
        "metrics.a IS NULL",
        "params.x RLIKE 'a'",
        "tags.x = 'open",
        "(metrics.a > 1)",
    ],
)
def test_what_is_not(text: str) -> None:
    with pytest.raises(Refusal):
        parse_filter(text, GRAMMAR)


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("start_time = '2'", Comparison("attribute", "start_time", "=", 2)),
        ("start_time = 2", Comparison("attribute", "start_time", "=", 2)),
        ("params.depth = 6", Comparison("parameter", "depth", "=", "6")),
        ("params.depth = '6'", Comparison("parameter", "depth", "=", "6")),
        ("params.depth LIKE six", Comparison("parameter", "depth", "LIKE", "six")),
    ],
)
def test_values_stand_with_quotes_or_without_where_mlflow_takes_both(text: str, clause: Comparison) -> None:
    bare = dataclasses.replace(GRAMMAR, bare=frozenset({"start_time", "parameter"}))
    assert parse_filter(text, bare) == [clause]


@pytest.mark.parametrize(
    "text", ["start_time = 'x'", "start_time = ''", "params.depth IN 6", "tags.a = b", "status = a"]
)
def test_bare_values_are_no_other_things(text: str) -> None:
    bare = dataclasses.replace(GRAMMAR, bare=frozenset({"start_time", "parameter"}))
    with pytest.raises(Refusal):
        parse_filter(text, bare)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(Refusal):
        assert isinstance(parse_filter(text, GRAMMAR), list)
    with contextlib.suppress(Refusal):
        assert len(parse_order([text], GRAMMAR)) == 1


@pytest.mark.parametrize(
    "text", ["tags" + ".a" * 60 + " ~ 1", "tags." + "a.b-/" * 60 + "!", "tags.`a`" + ".a" * 60 + "!"]
)
def test_a_long_name_that_fits_nowhere_costs_no_more_than_its_length(text: str) -> None:
    with pytest.raises(Refusal):
        parse_filter(text, GRAMMAR)
    with pytest.raises(Refusal):
        parse_order([text], GRAMMAR)


def test_a_pattern_of_many_parts_costs_no_more_than_its_length() -> None:
    assert not holds("a" * 6000, Comparison("tag", "k", "LIKE", "%a" * 12 + "%b"))
    assert holds("a" * 6000 + "B", Comparison("tag", "k", "ILIKE", "%a" * 12 + "%b"))


@pytest.mark.parametrize(
    "text", ["metrics.a", "metrics.`a b`", 'params."x.y"', "tags.a/b-c.d", "`metrics`.a", "tags..a"]
)
def test_orders_name_what_filters_name(text: str) -> None:
    assert parse_order([f" {text} DESC"], GRAMMAR)[0].ascending is False


def test_runs_are_not_ordered_by_their_datasets() -> None:
    with pytest.raises(Refusal, match="Invalid identifier type 'dataset'"):
        parse_order(["datasets.name"], GRAMMAR)


def test_what_is_absent_fulfils_nothing_but_is_null() -> None:
    for op in ("=", "!=", "LIKE", "NOT IN", "IS NOT NULL"):
        assert not holds(None, Comparison("tag", "a", op, ("x",) if op == "NOT IN" else "x"))
    assert holds(None, Comparison("tag", "a", "IS NULL", None))


def test_nan_fulfils_only_unlike() -> None:
    for op in (">", ">=", "=", "<", "<="):
        assert not holds(math.nan, Comparison("metric", "a", op, 0.0))
    assert holds(math.nan, Comparison("metric", "a", "!=", 0.0))


def test_orders_put_nan_behind_numbers_and_what_is_absent_last() -> None:
    values = {"a": 2.0, "b": None, "c": math.nan, "d": 1.0}
    for ascending, names in ((True, "dacb"), (False, "adcb")):
        found = ordered(list("abcd"), [Order("metric", "m", ascending)], lambda name, *_: values[name])
        assert "".join(found) == names


def test_many_orders_cost_no_more_than_their_number() -> None:
    orders = [f"metrics.m{number}" for number in range(100_000)]
    assert len(parse_order(orders, GRAMMAR)) == 100_000
    with pytest.raises(Refusal, match="duplicate"):
        parse_order([*orders, "metric.m7 DESC"], GRAMMAR)
