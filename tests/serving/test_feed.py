from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.errors import Invalid
from clew.core.types.package import Graph, Tensor
from clew.core.types.signature import Dtype
from clew.serving.feed import feeder

GRAPH = Graph(
    tensors=(
        Tensor(name="text", dtype=Dtype.STRING, columns=("carrier", "dest")),
        Tensor(name="numbers", dtype=Dtype.FLOAT64, columns=("hour", "wind")),
    ),
    output="probabilities",
    null_text="None",
    closed={"dest": ("ATL", "BOS")},
)
TEXT = st.one_of(st.none(), st.sampled_from(["None", "", "UA", "None\0"]))
NUMBER = st.one_of(st.none(), st.integers(-5, 5), st.floats(allow_nan=False, width=32), st.booleans())


@given(st.lists(st.tuples(TEXT, st.sampled_from(["ATL", "BOS", None]), NUMBER, NUMBER), min_size=1, max_size=70))
def test_every_row_arrives_in_its_place(rows: list[tuple[str | None, str | None, float | None, float | None]]) -> None:
    carrier, dest, hour, wind = (list(column) for column in zip(*rows, strict=True))
    fed = feeder(GRAPH)({"carrier": carrier, "dest": dest, "hour": hour, "wind": wind})
    assert fed["text"].shape == fed["numbers"].shape == (len(rows), 2)
    assert fed["text"].flags.c_contiguous
    assert fed["numbers"].flags.c_contiguous
    for at, row in enumerate(rows):
        assert fed["text"][at].tolist() == ["None" if v is None else v + "\0" if v == "None" else v for v in row[:2]]
        wanted = np.array([np.nan if value is None else float(value) for value in row[2:]])
        assert np.array_equal(fed["numbers"][at], wanted, equal_nan=True)


def test_arrays_are_as_good_as_lists() -> None:
    columns = {"carrier": ["UA"] * 3, "dest": ["ATL"] * 3, "hour": [1, 2, 3], "wind": [1.5, 2.5, 3.5]}
    arrays = {name: np.array(column) for name, column in columns.items()}
    one, two = feeder(GRAPH)(columns), feeder(GRAPH)(arrays)
    assert np.array_equal(one["numbers"], two["numbers"])
    assert one["text"].tolist() == two["text"].tolist()


def test_an_input_that_is_a_vector() -> None:
    graph = Graph(tensors=(Tensor(name="hour", dtype=Dtype.INT64, columns=("hour",), vector=True),), output="y")
    fed = feeder(graph)({"hour": [1, 2]})["hour"]
    assert fed.dtype == np.int64
    assert fed.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dest": ["LAX"]}, "column 'dest' holds 'LAX', a category that this model refuses"),
        ({"wind": ["strong"]}, "do not fit the signature"),
        ({"wind": [1.0, 2.0]}, "do not fit the signature"),
        ({"carrier": ["UA", "AA"], "dest": ["ATL", "ATL"]}, "columns differ in length"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, list[object]], words: str) -> None:
    columns = {"carrier": ["UA"], "dest": ["ATL"], "hour": [5], "wind": [1.5], **changes}
    with pytest.raises(Invalid) as caught:
        feeder(GRAPH)(columns)
    assert words in caught.value.what


def test_a_missing_column_is_named() -> None:
    with pytest.raises(Invalid, match="column 'wind' is missing"):
        feeder(GRAPH)({"carrier": ["UA"], "dest": ["ATL"], "hour": [5]})
