"""What a request that does not fit the signature is told."""

from __future__ import annotations

import pytest

from clew.core.errors import Invalid
from clew.core.types.signature import Dtype, Field, Output, Scale, Signature, Task
from clew.serving.protocol_json import PredictReader
from clew.serving.request import ColumnCheck


def a_signature(columns: int) -> Signature:
    return Signature(
        inputs=tuple(Field(name=f"column_{n}", dtype=Dtype.FLOAT64, nullable=True) for n in range(columns)),
        outputs=(Output(name="score", dtype=Dtype.FLOAT64),),
        task=Task.REGRESSION,
        scale=Scale.VALUE,
    )


@pytest.mark.parametrize("body", [b'{"rows": [{}]}', b'{"rows": [{"other": 1}]}'])
def test_of_many_columns_a_few_are_named_and_the_others_counted(body: bytes) -> None:
    signature = a_signature(30)
    check = ColumnCheck(signature)
    with pytest.raises(Invalid) as refused:
        PredictReader(signature, check)(body)
    said = str(refused.value)
    assert "row 0 has no 'column_0', 'column_1', " in said
    assert said.count("and 22 more") == 2
    assert "the model takes 30 columns: GET /v2/models/NAME lists them" in said
    assert "column_8" not in said
    with pytest.raises(Invalid, match=r"missing columns: column_0, .* and 22 more"):
        check({})


def test_of_few_columns_all_are_named() -> None:
    signature = a_signature(3)
    with pytest.raises(Invalid, match="the model takes column_0, column_1, column_2"):
        PredictReader(signature, ColumnCheck(signature))(b'{"rows": [{}]}')
