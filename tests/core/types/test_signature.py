"""What a model takes, and how its classes may come in JSON."""

from __future__ import annotations

import json

import pytest

from clew.core.types.signature import ClassLabel, Dtype, Field, Scale, Signature, Task, spellings


def test_the_names_of_inputs_are_in_order() -> None:
    fields = tuple(Field(name=name, dtype=Dtype.FLOAT64) for name in "ba")
    assert Signature(inputs=fields, outputs=(), task=Task.REGRESSION, scale=Scale.VALUE).names == ("b", "a")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("late", {'"late"', "late"}),
        (True, {"true", "1", "1.0", '"True"', '"true"', '"1"', '"1.0"'}),
        (False, {"false", "0", "0.0", '"False"', '"false"', '"0"', '"0.0"'}),
        (1, {"1", "1.0", "true", '"1"', '"1.0"', '"true"'}),
        (0, {"0", "0.0", "false", '"0"', '"0.0"', '"false"'}),
        (7, {"7", "7.0", '"7"', '"7.0"'}),
    ],
)
def test_a_class_has_spellings(label: ClassLabel, expected: set[str]) -> None:
    found = spellings(label)
    assert set(found) == expected
    assert json.loads(found[0]) == label
