"""The two compilers find the same failures in the same rows."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.types.check_report import CheckKind, Scope
from clew.core.types.checks import Checks, CheckSeverity, ColumnCheck, ColumnType, Unknown
from clew.data.checks import batch
from clew.data.checks.batch import check_table
from clew.data.checks.single import compile_request

FLOATS = st.one_of(
    st.sampled_from(
        [0.0, -0.0, 1.0, 2.5, -3.0, math.nan, math.inf, -math.inf, 2.0**53, 2.0**53 + 2, 2.0**63, -(2.0**63)]
    ),
    st.floats(width=64),
)
INTEGERS = st.one_of(
    st.sampled_from([0, 1, -1, 2, 3, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]), st.integers(-(2**63), 2**63 - 1)
)
TEXTS = st.one_of(st.sampled_from(["", "A", "AA", "AAB", "é", "A\n", "0"]), st.text(max_size=5))
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))  # noqa: DTZ001
STORED: dict[str, tuple[pl.DataType, st.SearchStrategy[object]]] = {
    "float": (pl.Float64(), FLOATS),
    "int": (pl.Int64(), INTEGERS),
    "small": (pl.Int8(), st.integers(-128, 127)),
    "unsigned": (pl.UInt64(), st.one_of(st.just(2**63), st.integers(0, 2**64 - 1))),
    "bool": (pl.Boolean(), st.booleans()),
    "text": (pl.String(), TEXTS),
    "category": (pl.Categorical(), TEXTS),
    "time": (pl.Datetime("us", "UTC"), TIMES),
    "date": (pl.Date(), st.dates(date(1900, 1, 1), date(2100, 1, 1))),
    "null": (pl.Null(), st.none()),
}
COLUMNS = {
    "i": ColumnType.INTEGER,
    "j": ColumnType.INTEGER,
    "x": ColumnType.NUMBER,
    "y": ColumnType.NUMBER,
    "s": ColumnType.STRING,
    "b": ColumnType.BOOLEAN,
    "t": ColumnType.TIME,
    "d": ColumnType.DATE,
}
RIGHT = {"i": "int", "j": "int", "x": "float", "y": "float", "s": "text", "b": "bool", "t": "time", "d": "date"}
MOST_ROWS = 5
RULES = [
    "i >= j",
    "i < x",
    "0 <= x <= 2.5",
    "x / y > 1 or x is None",
    "i / j > 1",
    "x - y == y",
    "-i < 3",
    "i in (1, 2, 9007199254740993)",
    "i in (1, 2.5)",
    "x not in (1, 2.5)",
    "s in ('A', 'AA') or b",
    "not b and s == 'A'",
    "b == (i > 0)",
    "len(s) * 2 <= i + 1",
    "abs(x - i) >= 1e300",
    "t >= d",
    "t - d < 86400",
    "t != '2013-01-01'",
    "d in ('2013-01-01', '2014-01-01T00:00:00Z')",
    "s < 'B'",
    "i == 9007199254740993",
    "x == 9007199254740993",
    "not (x is not None)",
    "(i > 0 and x > 0) or not (y < x)",
]


@st.composite
def column_checks(draw: st.DrawFn, type: ColumnType) -> ColumnCheck:
    asked: dict[str, object] = {"type": type, "required": draw(st.booleans())}
    asked["nulls"] = draw(st.sampled_from([0.0, 0.5, 1.0]))
    if type in (ColumnType.INTEGER, ColumnType.NUMBER):
        bounds = st.one_of(st.none(), INTEGERS, st.sampled_from([0.5, -2.5, 1e18, math.inf]))
        low, high = draw(bounds), draw(bounds)
        if low is not None and high is not None and low > high:
            low, high = high, low
        if not (low is not None and high is not None and high - low < 2):
            asked |= {"min": low, "max": high}
        if draw(st.booleans()):
            asked["values"] = draw(st.lists(st.sampled_from([0, 1, 2, 2**53 + 1]), min_size=1))
    if type is ColumnType.STRING:
        asked["pattern"] = draw(st.sampled_from(["", "A+", r"[^A]?.*", r"\w{1,2}", r"\D\S*"]))
        asked["min_length"] = draw(st.sampled_from([None, 0, 1]))
        asked["max_length"] = draw(st.sampled_from([None, 1, 3]))
        asked["values"] = draw(st.sampled_from([None, ["A", "é"]]))
    if type in (ColumnType.TIME, ColumnType.DATE):
        asked |= {
            "min": draw(st.sampled_from([None, "2000-01-01"])),
            "max": draw(st.sampled_from([None, "2050-01-01"])),
        }
    if type is ColumnType.BOOLEAN:
        asked["values"] = draw(st.sampled_from([None, [True]]))
    asked["severity"] = draw(st.sampled_from(CheckSeverity))
    return ColumnCheck(**asked)  # type: ignore[arg-type]


def cells(draw: st.DrawFn, name: str, stored: str, rows: int) -> pl.Series:
    dtype, values = STORED[stored]
    some = st.one_of(values, values, values, st.none())
    return pl.Series(name, draw(st.lists(some, min_size=rows, max_size=rows)), dtype=dtype, strict=True)


@st.composite
def one_column(draw: st.DrawFn) -> tuple[Checks, pl.DataFrame]:
    """Any checks on one column, stored as anything; sometimes it is not there, or under another name."""
    name, kind = draw(st.sampled_from(list(COLUMNS.items())))
    checks = Checks(columns={name: draw(column_checks(kind))}, unknown_columns=draw(st.sampled_from(Unknown)))
    stored = draw(st.sampled_from([RIGHT[name]] * 8 + list(STORED)))
    found = draw(st.sampled_from([name] * 9 + ["new"]))
    return checks, pl.DataFrame([cells(draw, found, stored, draw(st.integers(0, MOST_ROWS)))])


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    """A rule over the numbers and truths of a row."""
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        left, right = draw(numbers()), draw(numbers())
        return f"({left} {draw(st.sampled_from(['<', '<=', '==', '!=', '>', '>=']))} {right})"
    shape = draw(st.sampled_from(["({} and {})", "({} or {})", "(not {})", "({} == {})", "(b or {})"]))
    return shape.format(*(draw(expressions(depth - 1)) for _ in range(shape.count("{}"))))


@st.composite
def numbers(draw: st.DrawFn, depth: int = 2) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(["i", "j", "x", "y", "len(s)", "0", "1", "-2", "0.5", "1e308"]))
    left, right = draw(numbers(depth - 1)), draw(numbers(depth - 1))
    return draw(st.sampled_from([f"({left} {op} {right})" for op in "+-*/"] + [f"abs({left})", f"-{left}"]))


@st.composite
def all_rules(draw: st.DrawFn) -> tuple[Checks, pl.DataFrame]:
    """Every rule of the list, and some that nobody thought of, over columns of the right types."""
    names = [name for name in COLUMNS if draw(st.integers(0, 20)) > 0]
    drawn = draw(st.lists(expressions(), max_size=4))
    checks = Checks(
        columns={name: ColumnCheck(type=kind, required=False, nulls=1) for name, kind in COLUMNS.items()},
        rules=list(dict.fromkeys([*RULES, *(text for text in drawn if _names_a_column(text))])),
    )
    return checks, pl.DataFrame([cells(draw, name, RIGHT[name], MOST_ROWS) for name in names])


def _names_a_column(text: str) -> bool:
    return any(name in text.replace("len", "").replace("abs", "").replace("not", "") for name in "ijxysb")


def failures_in_table(frame: pl.DataFrame, checks: Checks) -> set[tuple[str, int | None]]:
    found: set[tuple[str, int | None]] = set()
    for result in check_table(frame, checks, now_us=0).results:
        if result.check.scope is Scope.ROW and result.check.kind in (CheckKind.PRESENT, CheckKind.UNKNOWN):
            found |= {(result.check.name, None)} if result.failed else set()
        elif result.check.scope is Scope.ROW:
            assert result.failed == len(result.examples)
            found |= {(result.check.name, example.row) for example in result.examples}
    return found


def agree(checks: Checks, frame: pl.DataFrame) -> None:
    request = {name: frame[name].to_list() for name in frame.columns}
    found = {(v.check, v.row) for v in compile_request(checks)(request)}
    assert found == failures_in_table(frame, checks)


@settings(max_examples=200, deadline=None)
@given(case=one_column())
def test_a_table_and_a_request_agree_on_a_column(case: tuple[Checks, pl.DataFrame]) -> None:
    agree(*case)


@settings(max_examples=40, deadline=None)
@given(case=all_rules())
def test_a_table_and_a_request_agree_on_rules(case: tuple[Checks, pl.DataFrame]) -> None:
    agree(*case)


def test_the_tables_of_these_tests_are_small_enough_to_show_every_failure() -> None:
    assert batch._EXAMPLES >= MOST_ROWS
