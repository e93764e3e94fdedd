from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from clew.core.errors import Invalid, Unavailable
from clew.core.types.package import Environment, RuntimeKind
from clew.core.types.signature import Scale, Task
from clew.registry.columns import columns_of
from clew.registry.formats.format import Trust
from clew.registry.formats.onnx import OnnxModel
from clew.registry.package import Draft, build_package, load_package
from clew.serving.adopt import adopt_onnx
from clew.serving.runtime import load_runtime
from clew.store.objects.memory import MemoryObjects

X = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
MODEL = LogisticRegression().fit(X, X[:, 0] > 0)


def logistic(**options: Any) -> bytes:
    content: bytes = to_onnx(MODEL, X[:1], options={id(MODEL): options}).SerializeToString()
    return content


def separate() -> bytes:
    inputs = [
        helper.make_tensor_value_info("hour", TensorProto.INT64, [None, 1]),
        helper.make_tensor_value_info("wind", TensorProto.DOUBLE, [None]),
    ]
    nodes = [
        helper.make_node("Cast", ["hour"], ["h"], to=TensorProto.DOUBLE),
        helper.make_node("Flatten", ["wind"], ["w"], axis=1),
        helper.make_node("Add", ["h", "w"], ["sum"]),
    ]
    outputs = [helper.make_tensor_value_info("sum", TensorProto.DOUBLE, [None, 1])]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    content: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    ).SerializeToString()
    return content


def test_a_model_from_elsewhere_is_packaged_and_served() -> None:
    content, rows = logistic(zipmap=False), columns_of(X, ["a", "b"])
    signature, compilation = adopt_onnx(content, rows, classes=("no", "yes"))
    assert (signature.task, signature.scale) == (Task.BINARY, Scale.PROBABILITY)
    objects = MemoryObjects()
    draft = Draft(
        model=OnnxModel(content),
        signature=signature,
        example=rows.take([0]),
        environment=Environment(python="3.11", platform="linux", distributions={}),
        compilation=compilation,
    )
    package = load_package(objects, build_package(objects, draft, Trust()))
    runtime = load_runtime(package, objects)
    scores, decisions = runtime.decide(rows.values)
    assert scores == pytest.approx(MODEL.predict_proba(X)[:, 1].tolist(), abs=1e-6)
    assert decisions == ["yes" if score >= 0.5 else "no" for score in scores]
    with pytest.raises(Invalid, match="is ONNX itself"):
        load_runtime(package, objects, kind=RuntimeKind.ORIGINAL)


def test_an_input_for_each_column() -> None:
    rows = columns_of({"wind": [1.5, 2.5], "hour": [5, 6], "unused": ["x", "y"]})
    signature, compilation = adopt_onnx(separate(), rows)
    assert signature.task is Task.REGRESSION
    assert signature.names == ("wind", "hour")
    assert compilation.graph is not None
    assert [tensor.vector for tensor in compilation.graph.tensors] == [False, True]


def test_what_cannot_be_adopted() -> None:
    rows = columns_of(X, ["a", "b"])
    with pytest.raises(Invalid, match="gives no scores") as caught:
        adopt_onnx(logistic(zipmap=True), rows)
    assert "zipmap" in caught.value.hint
    with pytest.raises(Invalid, match="gives 2 numbers a row, and 3 classes were named"):
        adopt_onnx(logistic(zipmap=False), rows, classes=(1, 2, 3))
    with pytest.raises(Invalid, match="input 'hour' of this ONNX model is no column"):
        adopt_onnx(separate(), rows)
    with pytest.raises(Invalid, match="cannot score the rows"):
        adopt_onnx(logistic(zipmap=False), columns_of(np.c_[X, X]))
    with pytest.raises(Unavailable):
        adopt_onnx(b"no model", rows)
