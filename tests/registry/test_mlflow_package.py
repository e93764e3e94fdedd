"""What a folder of MLflow says of its model, and which of them can be served."""

from __future__ import annotations

import json

import pytest

from clew.core.errors import Invalid
from clew.core.types.signature import Container, Signature
from clew.registry.mlflow_package import DESCRIPTION, Part, check_signature, package_folder
from clew.registry.package import load_package
from clew.store.objects import MemoryObjects


def tensor(*shape: int) -> dict[str, object]:
    return {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": list(shape)}}


MATRIX = [tensor(-1, 3)]


def signature_of(inputs: list[dict[str, object]] | None, outputs: list[dict[str, object]] | None = None) -> Signature:
    """Of a folder that declares these."""
    declared = {name: json.dumps(part) for name, part in (("inputs", inputs), ("outputs", outputs)) if part is not None}
    objects = MemoryObjects()
    text = json.dumps({"flavors": {"pytorch": {}, "python_function": {}}, "signature": declared}).encode()
    digest, unsafe = package_folder(objects, [Part(DESCRIPTION, objects.put(text), len(text))], run="r")
    assert unsafe
    return load_package(objects, digest).signature


@pytest.mark.parametrize(
    ("outputs", "width"),
    [
        (None, 1),
        ([], 1),
        ([tensor(-1)], 1),
        ([tensor(-1, 1)], 1),
        ([tensor(-1, -1)], 1),
        ([tensor(-1, 10)], 10),
        ([tensor(-1, 2, 3)], 6),
        ([{"type": "double", "name": "a"}], 1),
        ([{"type": "double", "name": "a"}, {"type": "double", "name": "b"}], 2),
    ],
)
def test_an_endpoint_answers_with_one_number_a_row(outputs: list[dict[str, object]] | None, width: int) -> None:
    signature = signature_of(MATRIX, outputs)
    assert (signature.names, signature.container) == (("x0", "x1", "x2"), Container.NUMPY)
    assert signature.outputs[0].width == width
    if width == 1:
        check_signature(signature)
    else:
        with pytest.raises(Invalid, match=f"answers with {width} numbers a row, and an endpoint with one"):
            check_signature(signature)


@pytest.mark.parametrize("inputs", [None, [], [tensor(-1, 3, 32, 32)], [{"type": "object", "name": "a"}]])
def test_a_model_whose_rows_cannot_be_checked_is_not_served(inputs: list[dict[str, object]] | None) -> None:
    with pytest.raises(Invalid, match="declares no columns that clew can check"):
        check_signature(signature_of(inputs, [tensor(-1, 1)]))
