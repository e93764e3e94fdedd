"""Filters mean what they say, and errors point at the character."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.errors import Invalid, Unreadable
from clew.tracking.where import Field, Value, fields_of, matches, parse_field, parse_filter, parse_order

NOW = 1_700_000_000_000_000
RUN: dict[Field, Value] = {
    Field("metric", "auc", "last"): 0.8,
    Field("metric", "auc", "max"): 0.9,
    Field("metric", "val/loss", "last"): 0.1,
    Field("metric", "nan", "last"): float("nan"),
    Field("metric", "auc.max", "min"): 7.0,
    Field("param", "depth"): 6,
    Field("param", "model.kind"): "tree",
    Field("param", "shuffle"): True,
    Field("tag", "team"): "Risk",
    Field("status"): "finished",
    Field("name"): "calm-otter-1",
    Field("created"): NOW - 3 * 86_400_000_000,
    Field("duration"): 12.5,
}


def judge(text: str) -> bool | None:
    return matches(parse_filter(text, now_us=NOW), RUN.get)


@pytest.mark.parametrize(
    "text",
    [
        "metric.auc > 0.7",
        "metric.auc.max >= .9",
        "metric.val/loss < 1e-0",
        "metric.`auc.max`.min = 7",
        "param.depth = 6",
        "param.depth == 6.0",
        "param.depth in (6, 8)",
        "param.depth not in (1)",
        "param.model.kind = 'tree'",
        "param.model.kind = tree",
        'param.model.kind != "forest"',
        "param.model.kind != 3",
        "param.shuffle = true",
        'tag.team ~ "ris"',
        "status = finished and not name = 'x'",
        "created > '-7d' and created < '-1h'",
        "created > '2023-11-01' and created < '2023-12-01T00:00'",
        "duration > 10",
        "param.missing is null and param.depth is not null",
        "(metric.auc > 1 or param.depth > 5) and tag.team = Risk",
        "metric.auc > 1 or param.depth > 5 and tag.team = Risk",
        "status IN (finished, failed)",
        "tag.team like 'R%k' and tag.team not like 'r%'",
        "tag.team ilike 'r_s_'",
        "tag.team contains is and not tag.team contains ris",
        "name like 'calm%1' and name like '%-%-%' and name like 'calm-otter-1' and name not like 'calm'",
    ],
)
def test_filters_that_hold(text: str) -> None:
    assert judge(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "metric.auc < 0.7",
        "metric.nan > 0",
        "metric.nan < 0",
        "not param.depth = 6",
        "tag.team = risk",
        "param.depth in (7, 'a')",
    ],
)
def test_filters_that_do_not_hold(text: str) -> None:
    assert judge(text) is False


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("param.missing = 1", None),
        ("param.missing != 1", None),
        ("not param.missing = 1", None),
        ("param.missing in (1)", None),
        ("param.model.kind > 3", None),
        ("param.missing = 1 and param.depth = 7", False),
        ("param.missing = 1 or param.depth = 6", True),
        ("param.missing = 1 and param.depth = 6", None),
        ("param.missing = 1 or param.depth = 7", None),
    ],
)
def test_what_a_run_does_not_have_is_unknown(text: str, result: bool | None) -> None:
    assert judge(text) is result


@pytest.mark.parametrize(
    ("text", "at", "what"),
    [
        ("", 1, "empty"),
        ("metric.auc > > 0.7", 14, "a value is expected"),
        ("metric.auc >", 13, "a value is expected"),
        ("metric.auc 0.7", 12, "a comparison is expected"),
        ("auc > 0.7", 1, "no field 'auc'"),
        ("metric > 0.7", 1, "no field 'metric'"),
        ("metric.auc > high", 14, "a metric is a number"),
        ("metric.auc > 1 param.a = 2", 16, "'and' or 'or' is missing"),
        ("(metric.auc > 1", 1, "this bracket is not closed"),
        ("param.a in 3", 12, "a list in brackets"),
        ("param.a in (3", 12, "this bracket is not closed"),
        ("param.a is 3", 12, "'null' is expected"),
        ("created > tomorrow", 11, "a time is expected"),
        ("a = 1 ; drop", 7, "this cannot stand here"),
        ("param.a = 'open", 11, "this cannot stand here"),
        ("3 = 3", 1, "a field is expected"),
        ("not" + " not" * 60 + " status = a", 205, "nested too deeply"),
        ("param.a not = 3", 13, "a comparison is expected"),
        ("metric.a like '3'", 10, "is a number, and 'like' is for texts"),
        ("duration ~ 3", 10, "is for texts"),
        ("param.a like 3", 14, "a text is expected"),
        ("data.flights = seven", 16, "a version of a dataset is a number"),
    ],
)
def test_errors_point_at_the_character(text: str, at: int, what: str) -> None:
    with pytest.raises(Unreadable, match=what) as caught:
        judge(text)
    assert caught.value.position == at - 1
    assert f"at character {at}:" in caught.value.what
    line, arrow = caught.value.what.splitlines()[1:]
    assert line == f"    {text}"
    assert arrow.index("^") == 4 + at - 1


def test_fields_are_known_by_their_text() -> None:
    assert parse_field("metric.auc.max") == Field("metric", "auc", "max")
    assert parse_field("metric.auc") == Field("metric", "auc", "last")
    assert parse_field("duration") == Field("duration")
    assert str(parse_field("param.a.b")) == "param.a.b"
    for text in ("metric.auc > 1", "", "color", "metric."):
        with pytest.raises(Invalid):
            parse_field(text)
    found = parse_filter("metric.auc > 1 and (param.a = 2 or not metric.auc < 3)", now_us=NOW)
    assert fields_of(found) == [Field("metric", "auc", "last"), Field("param", "a")]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=list("()<>=!~,'\"`.-_ abmetricparam0159"), max_size=40))
def test_any_text_is_a_filter_or_invalid(text: str) -> None:
    try:
        judge(text)
    except Invalid:
        return


def test_a_number_that_nobody_means_is_refused() -> None:
    with pytest.raises(Invalid, match="too long"):
        parse_filter(f"param.x = {'9' * 5000}", now_us=0)


def test_orders_are_fields_with_signs() -> None:
    fields = [(str(order.field), order.descending) for order in parse_order(" -metric.auc.max, param.a ,,name")]
    assert fields == [("metric.auc.max", True), ("param.a", False), ("name", False)]
    assert parse_order("") == ()
    with pytest.raises(Unreadable, match="order cannot be read at character 8: there is no field 'colour'") as caught:
        parse_order("name, -colour")
    assert caught.value.what.splitlines()[1:] == ["    name, -colour", "           ^"]


def test_patterns_take_no_exponential_time() -> None:
    field = Field("name")
    text = f"name like '{'%a' * 30}%b'"
    assert matches(parse_filter(text, now_us=0), {field: "a" * 3000}.get) is False
