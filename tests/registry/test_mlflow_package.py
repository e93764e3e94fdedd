"""What a folder of MLflow says of its model, and which of them can be served."""

from __future__ import annotations

import json

import pytest

from clew.core.types.package import Package
from clew.core.types.signature import Container
from clew.registry.formats.format import Trust
from clew.registry.mlflow_package import DESCRIPTION, Part, package_folder, refusal_of
from clew.registry.package import load_package
from clew.store.objects import MemoryObjects


def tensor(*shape: int) -> dict[str, object]:
    return {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": list(shape)}}


MATRIX = [tensor(-1, 3)]


def package_of(inputs: list[dict[str, object]] | None, outputs: list[dict[str, object]] | None = None) -> Package:
    """Of a folder that declares these."""
    declared = {name: json.dumps(part) for name, part in (("inputs", inputs), ("outputs", outputs)) if part is not None}
    objects = MemoryObjects()
    text = json.dumps({"flavors": {"pytorch": {}, "python_function": {}}, "signature": declared}).encode()
    digest, unsafe = package_folder(objects, [Part(DESCRIPTION, objects.put(text), len(text))], run="r")
    assert unsafe
    return load_package(objects, digest)


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
    package = package_of(MATRIX, outputs)
    signature = package.signature
    assert (signature.names, signature.container) == (("x0", "x1", "x2"), Container.NUMPY)
    assert signature.outputs[0].width == width
    refused = refusal_of(package, Trust(allow_pickle=True))
    wanted = f"this model answers with {width} numbers a row, and an endpoint with one"
    assert (refused and refused.what) == (None if width == 1 else wanted)


@pytest.mark.parametrize("inputs", [None, [], [tensor(-1, 3, 32, 32)], [{"type": "object", "name": "a"}]])
def test_a_model_whose_rows_cannot_be_checked_is_not_served(inputs: list[dict[str, object]] | None) -> None:
    refused = refusal_of(package_of(inputs, [tensor(-1, 1)]), Trust(allow_pickle=True))
    assert refused is not None
    assert "declares no columns that clew can check" in refused.what


def test_a_model_whose_code_may_not_run_is_not_served() -> None:
    refused = refusal_of(package_of(MATRIX), Trust(allow_pickle=False))
    assert refused is not None
    assert "does not allow that" in refused.what
