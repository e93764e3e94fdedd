from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from clew.core.errors import Invalid
from clew.core.types.signature import Container, Dtype, Field, Scale, Signature, Task
from clew.registry.columns import Columns, columns_of, rows_for


def signature_for(rows: Columns) -> Signature:
    fields = tuple(Field(name=name, dtype=dtype, nullable=True) for name, dtype in rows.dtypes.items())
    return Signature(inputs=fields, outputs=(), task=Task.REGRESSION, scale=Scale.VALUE, container=rows.container)


def test_polars_types_and_nulls() -> None:
    at = datetime(2013, 1, 1, 5, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "flag": [True, None],
            "count": [1, None],
            "wind": pl.Series([1.5, math.nan], dtype=pl.Float32),
            "carrier": pl.Series(["UA", None], dtype=pl.Categorical),
            "at": [at, None],
        }
    )
    rows = columns_of(frame)
    assert list(rows.dtypes.values()) == [Dtype.BOOL, Dtype.INT64, Dtype.FLOAT32, Dtype.STRING, Dtype.TIME]
    assert rows.values == {
        "flag": [True, None],
        "count": [1, None],
        "wind": [1.5, None],
        "carrier": ["UA", None],
        "at": [int(at.timestamp() * 1e6), None],
    }
    assert rows.container is Container.POLARS


def test_pandas_types_and_nulls() -> None:
    frame = pd.DataFrame(
        {
            "flag": [True, False],
            "count": pd.array([1, None], dtype="Int64"),
            "wind": [1.5, None],
            "carrier": ["UA", None],
            "at": pd.to_datetime(["2013-01-01T05:00:00", None]),
        }
    )
    rows = columns_of(frame)
    assert list(rows.dtypes.values()) == [Dtype.BOOL, Dtype.INT64, Dtype.FLOAT64, Dtype.STRING, Dtype.TIME]
    assert rows.values["count"] == [1, None]
    assert rows.values["carrier"] == ["UA", None]
    assert rows.values["at"] == [1_357_016_400_000_000, None]


@pytest.mark.parametrize("container", ["polars", "pandas"])
def test_a_frame_survives_the_way_into_columns_and_back(container: str) -> None:
    plain = {"hour": [5, 6, 7], "wind": [1.5, None, 3.0], "carrier": ["UA", "AA", "B6"]}
    frame = pl.DataFrame(plain) if container == "polars" else pd.DataFrame(plain)
    rows = columns_of(frame)
    again = rows_for(signature_for(rows), rows.values)
    assert type(again) is type(frame)
    assert columns_of(again) == rows


def test_an_array_is_named_by_position() -> None:
    rows = columns_of(np.array([[1.0, math.nan], [2.0, 3.0]]))
    assert rows.values == {"x0": [1.0, 2.0], "x1": [None, 3.0]}
    again = rows_for(signature_for(rows), rows.values)
    assert again.dtype == np.float64
    assert again.shape == (2, 2)
    assert math.isnan(again[0, 1])


def test_integers_and_single_precision_stay_what_they_were() -> None:
    assert rows_for(signature_for(columns_of(np.array([[1, 2]]))), {"x0": [1], "x1": [2]}).dtype == np.int64
    single = columns_of(np.array([[1.5]], dtype=np.float32))
    assert rows_for(signature_for(single), single.values).dtype == np.float32


def test_mappings_and_records_say_the_same() -> None:
    assert columns_of({"a": [1, 2], "b": ["x", None]}) == columns_of([{"a": 1, "b": "x"}, {"a": 2, "b": None}])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"a": [1, 2], "b": [1]}, "columns differ in length"),
        ({"a": []}, "no rows"),
        ({"a": [1, "x"]}, "column 'a' is int and str"),
        (pl.DataFrame({"a": [[1]]}), "column 'a' is List"),
        (np.zeros(3), "shape (3,)"),
        (17, "a int holds no rows"),
    ],
)
def test_what_cannot_be_served_is_named(rows: object, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        columns_of(rows)
    assert words in caught.value.what


def test_a_missing_column_is_named() -> None:
    rows = columns_of(pl.DataFrame({"a": [1], "b": [2]}))
    with pytest.raises(Invalid, match="column 'b' is missing"):
        rows_for(signature_for(rows), {"a": [1]})


def test_spread_takes_rows_from_everywhere() -> None:
    rows = columns_of({"a": list(range(100))})
    assert rows.spread(4).values["a"] == [0, 25, 50, 75]
    assert rows.spread(1000).values == rows.values
