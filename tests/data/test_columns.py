from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.errors import Invalid
from clew.data.columns import column_digest

NOW = datetime(2026, 1, 31, 12, 30, 0, 123456, tzinfo=UTC)
CASES: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "int8": (pl.Int8, [1, None, -3], [1, None, -4]),
    "uint64": (pl.UInt64, [2**64 - 1, None], [2**64 - 2, None]),
    "int128": (pl.Int128, [2**100, None], [2**100 + 1, None]),
    "float16": (pl.Float16, [1.5, None], [1.25, None]),
    "float32": (pl.Float32, [1.5, math.nan, None], [1.5, None, math.nan]),
    "float64": (pl.Float64, [0.0, math.inf], [-0.0, math.inf]),
    "bool": (pl.Boolean, [True, None, False], [True, False, None]),
    "string": (pl.String, ["ab", "c", None, "ü"], ["a", "bc", None, "ü"]),
    "string null or empty": (pl.String, ["", None], [None, ""]),
    "binary": (pl.Binary, [b"\xff", None, b""], [b"\xff", b"", None]),
    "date": (pl.Date, [date(2026, 1, 31), None], [date(2026, 2, 1), None]),
    "naive": (pl.Datetime("us"), [NOW.replace(tzinfo=None)], [NOW.replace(tzinfo=None, microsecond=0)]),
    "utc": (pl.Datetime("ms", "UTC"), [NOW], [NOW + timedelta(milliseconds=1)]),
    "duration": (pl.Duration("ns"), [timedelta(seconds=1)], [timedelta(seconds=2)]),
    "time": (pl.Time, [time(1, 2, 3)], [time(1, 2, 4)]),
    "decimal": (pl.Decimal(10, 2), [Decimal("1.20"), None], [Decimal("1.21"), None]),
    "category": (pl.Categorical(), ["a", "b", None], ["b", "a", None]),
    "enum": (pl.Enum(["a", "b"]), ["a", "b", None], ["b", "a", None]),
    "list": (pl.List(pl.Int64), [[1], [], None, [2, None]], [[1], None, [], [2, None]]),
    "list cut elsewhere": (pl.List(pl.String), [["a"], ["b", "c"]], [["a", "b"], ["c"]]),
    "array": (pl.Array(pl.Int32, 2), [[1, 2], None], [[2, 1], None]),
    "struct": (pl.Struct({"a": pl.Int8, "b": pl.String}), [{"a": 1, "b": "x"}], [{"a": 1, "b": "y"}]),
    "struct null": (pl.Struct({"a": pl.Int8}), [None, {"a": None}], [{"a": None}, None]),
    "null": (pl.Null, [None], [None, None]),
}


@pytest.mark.parametrize("case", CASES)
def test_equal_values_and_no_others_have_equal_digests(case: str) -> None:
    dtype, values, others = CASES[case]
    column = pl.Series("x", values, dtype=dtype)
    assert column_digest(column) == column_digest(pl.Series("another name", values, dtype=dtype))
    assert column_digest(column) != column_digest(pl.Series("x", others, dtype=dtype))
    chunked = pl.concat([pl.Series("x", [value], dtype=dtype) for value in values], rechunk=False)
    assert column_digest(chunked) == column_digest(column)
    shifted = pl.concat([pl.Series("x", others[:1], dtype=dtype), column]).slice(1)
    assert column_digest(shifted) == column_digest(column)


def test_types_are_part_of_the_content() -> None:
    digests = {
        column_digest(pl.Series("x", [1, 0], dtype=dtype)) for dtype in (pl.Int8, pl.UInt8, pl.Int64, pl.Float64)
    }
    digests.add(column_digest(pl.Series("x", [True, False])))
    assert len(digests) == 5
    assert column_digest(pl.Series("x", [], dtype=pl.Int8)) != column_digest(pl.Series("x", [], dtype=pl.Int16))


def test_what_stands_in_the_place_of_a_null_does_not_matter() -> None:
    column = pl.Series("x", [1, 2, 3])
    masked = column.to_frame().select(pl.when(pl.col("x") == 2).then(None).otherwise(pl.col("x")).alias("x"))["x"]
    assert column_digest(masked) == column_digest(pl.Series("x", [1, None, 3]))


def test_python_objects_are_refused() -> None:
    with pytest.raises(Invalid, match="Python objects"):
        column_digest(pl.Series("x", [object()]))


def test_the_format_does_not_change() -> None:
    frame = pl.DataFrame({"i": [1, None], "s": ["a", "ü"], "f": [1.5, None], "l": [[1], []]})
    assert [column_digest(column)[:12] for column in frame.get_columns()] == FROZEN


FROZEN = ["bf2500c9227a", "995317ef0d26", "ac46cd013d11", "b52f0b5b74d8"]

texts = st.lists(st.one_of(st.none(), st.text(max_size=4)), min_size=1, max_size=12)


@given(values=texts, others=texts, at=st.integers(0, 12))
def test_texts_by_any_chunks(values: list[str | None], others: list[str | None], at: int) -> None:
    column = pl.Series("x", values, dtype=pl.String)
    chunks = [pl.Series("x", values[:at], dtype=pl.String), pl.Series("x", values[at:], dtype=pl.String)]
    assert column_digest(pl.concat(chunks, rechunk=False)) == column_digest(column)
    same = column_digest(pl.Series("x", others, dtype=pl.String)) == column_digest(column)
    assert same == (values == others)
