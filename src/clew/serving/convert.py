"""A fitted scikit-learn model as an ONNX graph: columns in, scores out.

The columns enter as at most two matrices, one of text and one of numbers, because a tensor per column costs a
microsecond each. skl2onnx does the work, with our converters for what it cannot do exactly (`clew.serving.tree_models`,
`clew.serving.double_models`). Whether the graph
does what the model does is not known here: that is measured in `clew.serving.compile`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from clew.core.errors import Invalid
from clew.core.extras import require
from clew.core.types.package import Graph, Tensor
from clew.core.types.signature import Dtype, Scale, Signature, Task
from clew.serving.double_models import double_converters
from clew.serving.tree_models import tree_converters

__all__ = ["Plan", "convert", "plan_tensors"]

_NUMBERS, _TEXT = "numbers", "text"
_OPSETS = {"": 18, "ai.onnx.ml": 3}
_TREE_OPSET = 5
"""The version of `ai.onnx.ml` that has `TreeEnsemble`; the older operators that we meet mean the same in it."""


@dataclass(frozen=True)
class Plan:
    """How a model is to be converted: its tensors, and the model with its columns renumbered to fit them."""

    model: Any
    tensors: tuple[Tensor, ...]


def plan_tensors(model: Any, signature: Signature, numbers: Dtype) -> Plan:
    """Decide how the columns enter.

    Args:
        model: the fitted estimator.
        signature: its signature.
        numbers: the type of the matrix of numbers, `float64` or `float32`.

    Raises:
        Invalid: text and numbers are mixed and no `ColumnTransformer` at the front says what goes where, or a column
            is a time.
    """
    times = [field.name for field in signature.inputs if field.dtype is Dtype.TIME]
    if times:
        raise Invalid(f"column {times[0]!r} is a time, which a graph cannot take")
    text = {field.name for field in signature.inputs if field.dtype is Dtype.STRING}
    front = _front(model)
    if front is None:
        if text and len(text) < len(signature.inputs):
            raise Invalid("text and numbers enter together, and no ColumnTransformer comes first")
        return Plan(model, _tensors(list(signature.names), text, numbers))
    used = [signature.names[at] for at in dict.fromkeys(_used(front))]
    tensors = _tensors(used, text, numbers)
    order = [name for tensor in tensors for name in tensor.columns]
    return Plan(_renumbered(model, front, {signature.names.index(name): at for at, name in enumerate(order)}), tensors)


def convert(plan: Plan, signature: Signature, *, exact: bool) -> tuple[bytes, Graph]:
    """The graph as bytes, and how to feed it. Equal models give equal bytes.

    Args:
        plan: what enters how.
        signature: the model's signature.
        exact: use our converters, in double precision; otherwise skl2onnx alone.

    Raises:
        Exception: whatever skl2onnx raises about what it cannot convert.
    """
    skl2onnx = require("skl2onnx")
    model = _plain(plan.model)
    ours = {**tree_converters(), **double_converters()} if exact else {}
    proto = skl2onnx.convert_sklearn(
        model,
        name="model",
        initial_types=[(tensor.name, _type_of(tensor)) for tensor in plan.tensors],
        options=_options(model, signature.scale),
        target_opset=dict(_OPSETS),
        custom_conversion_functions={cls: converter for cls, (converter, _) in ours.items()},
        custom_shape_calculators={cls: shapes for cls, (_, shapes) in ours.items()},
    )
    output = proto.graph.output[0 if signature.task is Task.REGRESSION else 1].name
    _prune(proto.graph, output)
    if any(node.op_type == "TreeEnsemble" for node in proto.graph.node):
        for opset in proto.opset_import:
            opset.version = _TREE_OPSET if opset.domain == "ai.onnx.ml" else opset.version
    given = {value.name for value in proto.graph.input}
    tensors = tuple(tensor for tensor in plan.tensors if tensor.name in given)
    return proto.SerializeToString(deterministic=True), Graph(tensors=tensors, output=output)


def _plain(model: Any) -> Any:
    """The model as skl2onnx takes it.

    How soft votes are laid out by `transform` is refused, and nobody asks for it. Models around models compute in the
    type that comes in: in double precision, where it is made so before them.
    """
    steps = getattr(model, "steps", None)
    if isinstance(steps, list) and len(steps) > 1:
        outer = copy.copy(model)
        name, last = steps[-1]
        outer.steps = [*steps[:-1], *_as_double(last), (name, _plain(last))]
        return outer
    if getattr(model, "flatten_transform", False):
        model = copy.copy(model)
        model.flatten_transform = False
    return model


def _as_double(model: Any) -> list[tuple[str, Any]]:
    if type(model).__name__ not in ("CalibratedClassifierCV", "VotingClassifier"):
        return []
    import numpy as np

    return [("clew_double", require("skl2onnx.sklapi").CastTransformer(dtype=np.float64))]


def _options(model: Any, scale: Scale) -> dict[int, dict[str, bool]]:
    """What skl2onnx is told about the classifier: arrays instead of dictionaries, and margins as they are."""
    if scale is Scale.VALUE:
        return {}
    steps = getattr(model, "steps", None)
    last = steps[-1][1] if isinstance(steps, list) else model
    return {id(last): {"zipmap": False} if scale is Scale.PROBABILITY else {"raw_scores": True}}


def _front(model: Any) -> Any:
    """The `ColumnTransformer` that sees the columns first, if there is one."""
    if type(model).__name__ == "ColumnTransformer":
        return model
    steps = getattr(model, "steps", None)
    return _front(steps[0][1]) if isinstance(steps, list) and steps else None


def _used(front: Any) -> list[int]:
    positions: list[int] = []
    for name, transformer, _ in front.transformers_:
        if transformer != "drop":
            positions += front._transformer_to_input_indices[name]
    return positions


def _tensors(names: list[str], text: set[str], numbers: Dtype) -> tuple[Tensor, ...]:
    texts = tuple(name for name in names if name in text)
    others = tuple(name for name in names if name not in text)
    tensors = []
    if texts:
        tensors.append(Tensor(name=_TEXT, dtype=Dtype.STRING, columns=texts))
    if others:
        tensors.append(Tensor(name=_NUMBERS, dtype=numbers, columns=others))
    return tuple(tensors)


def _renumbered(model: Any, front: Any, position: dict[int, int]) -> Any:
    """A copy of the model whose `ColumnTransformer` takes columns by their place in the tensors."""
    if model is front:
        renumbered = copy.copy(front)
        renumbered.transformers_ = [
            (name, transformer, [position[at] for at in front._transformer_to_input_indices[name]])
            for name, transformer, _ in front.transformers_
            if transformer != "drop"
        ]
        return renumbered
    outer = copy.copy(model)
    first, step = model.steps[0]
    outer.steps = [(first, _renumbered(step, front, position)), *model.steps[1:]]
    return outer


def _type_of(tensor: Tensor) -> Any:
    types = require("skl2onnx.common.data_types")
    kinds = {
        Dtype.STRING: types.StringTensorType,
        Dtype.FLOAT32: types.FloatTensorType,
        Dtype.FLOAT64: types.DoubleTensorType,
    }
    return kinds[tensor.dtype]([None, len(tensor.columns)])


def _prune(graph: Any, output: str) -> None:
    """Keep what leads to one output: labels are decided outside, by the threshold."""
    needed, kept = {output}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            kept.append(copy.deepcopy(node))
            needed |= set(node.input)
    parts = {"node": kept[::-1]}
    for field in ("input", "output", "initializer"):
        parts[field] = [copy.deepcopy(value) for value in getattr(graph, field) if value.name in needed]
    parts["output"] = [value for value in parts["output"] if value.name == output]
    for field, values in parts.items():
        graph.ClearField(field)
        getattr(graph, field).extend(values)
