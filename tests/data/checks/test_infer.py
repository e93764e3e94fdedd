"""Checks guessed from a first version: it passes them, and so does a next one that differs a little."""

from __future__ import annotations

import math
import tomllib
from datetime import date, datetime

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.types.checks import Checks, CheckSeverity, ColumnCheck, ColumnType
from clew.data.checks.batch import check_table
from clew.data.checks.infer import infer_checks
from clew.data.checks.render import render_checks

CELLS = {
    pl.Int64: st.integers(-(2**63), 2**63 - 1),
    pl.UInt64: st.integers(0, 2**63 - 1),
    pl.Float64: st.floats(),
    pl.String: st.sampled_from(["", "a", "bb", "é"]),
    pl.Boolean: st.booleans(),
    pl.Date: st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    pl.Datetime("us"): st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    pl.List(pl.Int64): st.lists(st.integers(0, 3), max_size=2),
    pl.Null: st.none(),
}


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    rows = draw(st.integers(1, 30))
    names = draw(st.lists(st.text("ab '\"\\\n.\x7fé", min_size=1, max_size=4), min_size=1, max_size=3, unique=True))
    series = []
    for name in names:
        dtype, cells = draw(st.sampled_from(list(CELLS.items())))
        values = draw(st.lists(st.one_of(cells, cells, st.none()), min_size=rows, max_size=rows))
        series.append(pl.Series(name, values, dtype=dtype))
    return pl.DataFrame(series)


@settings(max_examples=150, deadline=None)
@given(frame=frames())
def test_a_first_version_passes_its_own_checks_without_a_warning(frame: pl.DataFrame) -> None:
    checks = infer_checks(frame)
    report = check_table(frame, checks, now_us=0)
    infinite = [n for n, t in frame.schema.items() if t.is_float() and frame[n].is_infinite().any()]
    assert report.passed
    assert [r.check.column for r in report.warnings if r.check.column not in infinite] == []
    text = render_checks("some data", checks)
    assert msgspec.convert(tomllib.loads(text)["checks"]["some data"], Checks) == checks


def column(values: list[object], **options: object) -> ColumnCheck:
    return infer_checks(pl.DataFrame({"c": pl.Series(values, **options)})).columns["c"]  # type: ignore[arg-type]


def test_a_range_has_room_and_no_sign_that_was_never_seen() -> None:
    found = column([1.0, 23.0])
    assert (found.min, found.max, found.severity) == (0, 29, CheckSeverity.WARN)
    assert column([-10.0, -2.0]) == ColumnCheck(type=ColumnType.NUMBER, min=-12, max=0, severity=CheckSeverity.WARN)


@pytest.mark.parametrize("values", [[3, 3], [None, 3], [math.inf, 1.0]])
def test_a_constant_has_no_range(values: list[object]) -> None:
    found = column(values, strict=False)
    assert (found.min, found.max, found.severity) == (None, None, CheckSeverity.ERROR)


@pytest.mark.parametrize(("missing", "nulls"), [(0, 0.0), (1, 0.02), (10, 0.2), (60, 1.0)])
def test_missing_values_get_room_only_where_there_were_some(missing: int, nulls: float) -> None:
    assert column([None] * missing + [1] * (100 - missing), dtype=pl.Int64).nulls == nulls


def test_few_texts_become_a_set_and_codes_keep_their_length() -> None:
    assert column(["JFK", "EWR"] * 10).values == ["EWR", "JFK"]
    codes = column([f"{n:03}" for n in range(200)])
    assert (codes.values, codes.min_length, codes.max_length) == (None, 3, 3)
    names = column(["a", "bb", "ccccccc"])
    assert (names.min_length, names.max_length) == (1, 14)


def test_what_never_repeats_in_many_rows_is_unique_and_has_no_range() -> None:
    found = column(list(range(1000)))
    assert (found.unique, found.max) == (True, None)
    assert not column(list(range(999))).unique


def test_the_text_is_for_a_person_to_read() -> None:
    frame = pl.DataFrame({"carrier": ["AA", "UA"] * 10, "dep time": [1.5, None] * 10})
    assert render_checks("flights", infer_checks(frame)) == (
        "[checks.flights]\n"
        "\n"
        "[checks.flights.columns]\n"
        'carrier    = { type = "string", nulls = 0, values = ["AA", "UA"], severity = "warn" }\n'
        '"dep time" = { type = "number", nulls = 1 }\n'
    )


def test_the_values_of_a_key_are_left_open() -> None:
    frame = pl.DataFrame({"id": [1, 2, 3], "code": ["a", "b", "c"], "hour": [5, 6, 7]})
    found = infer_checks(frame, key=["id"]).columns
    assert (found["id"].min, found["id"].max, found["id"].type) == (None, None, ColumnType.INTEGER)
    assert found["hour"].min is not None
