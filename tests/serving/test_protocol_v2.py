"""Tensors of floats go a shorter way than other numbers, and come to the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clew.core.errors import Invalid
from clew.core.types.signature import Dtype, Field, Output, Scale, Signature, Task
from clew.serving.protocol_v2 import InferReader
from clew.serving.request import ColumnCheck


def read(columns: list[str], data: list[Any], shape: list[int]) -> dict[str, list[Any]] | str:
    """The columns of one tensor `x`, or why it is refused."""
    signature = Signature(
        inputs=tuple(Field(name=name, dtype=Dtype.FLOAT64) for name in columns),
        outputs=(Output(name="score", dtype=Dtype.FLOAT64),),
        task=Task.REGRESSION,
        scale=Scale.VALUE,
    )
    tensor = {"name": "x", "shape": shape, "datatype": "FP64", "data": data}
    try:
        return InferReader(signature, ColumnCheck(signature))(json.dumps({"inputs": [tensor]}).encode())[0].columns
    except Invalid as refused:
        return str(refused)


@pytest.mark.parametrize("columns", [["a"], ["a", "b"], ["x"], ["x", "a"]])
@pytest.mark.parametrize("shape", [[4], [4, 1], [2, 2], [1, 4], [3, 2]])
def test_floats_come_to_what_whole_numbers_come_to(columns: list[str], shape: list[int]) -> None:
    assert read(columns, [1.0, 2.0, 3.0, 4.0], shape) == read(columns, [1, 2, 3, 4], shape)


def test_one_matrix_is_columns() -> None:
    assert read(["a", "b"], [1.5, 2.5, 3.5, 4.5], [2, 2]) == {"a": [1.5, 3.5], "b": [2.5, 4.5]}
    assert "unknown column" in str(read(["a"], [1.5, 2.5], [2, 1]))
