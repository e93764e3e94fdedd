"""An ONNX model from elsewhere as a model of clew: how its inputs take our columns, and what its output is.

Nothing is converted, and there is no original to compare with: the graph is the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clew.core.errors import Invalid
from clew.core.types.package import Compilation, Decision, Graph, RuntimeCost, RuntimeKind, Tensor
from clew.core.types.signature import ClassLabel, Dtype, Field, Scale, Signature, Task
from clew.registry.columns import Columns
from clew.registry.signature import outputs_of, task_of
from clew.serving.parity import BATCH
from clew.serving.runtime import CompiledRuntime, open_session
from clew.serving.timing import cost_of

__all__ = ["adopt_onnx"]

_DTYPES = {
    "tensor(float)": Dtype.FLOAT32,
    "tensor(double)": Dtype.FLOAT64,
    "tensor(int64)": Dtype.INT64,
    "tensor(bool)": Dtype.BOOL,
    "tensor(string)": Dtype.STRING,
}


def adopt_onnx(
    content: bytes, rows: Columns, *, classes: Sequence[ClassLabel] = (), decision: Decision | None = None
) -> tuple[Signature, Compilation]:
    """The signature of an ONNX model, and how it is fed.

    Args:
        content: the file.
        rows: rows that it can score, with columns named as requests will name them. One matrix takes all of them, in
            their order; otherwise each input takes the column of its name.
        classes: what the scores are of, in order; the positions 0, 1, … when the model gives several and this is
            empty. One score a row with two classes is the probability of the second.
        decision: how scores become decisions.

    Raises:
        Invalid: inputs or outputs are of a kind that clew does not serve, or the model cannot score the rows.
        Unavailable: the installed onnxruntime cannot run it.
    """
    session = open_session(content)
    tensors = _tensors(session.get_inputs(), rows)
    output = _output(session.get_outputs())
    graph = Graph(tensors=tensors, output=output)
    width = _width(content, graph, rows)
    labels = _classes(classes, width)
    signature = _signature(rows, tensors, labels)
    runtime = CompiledRuntime(content, graph, signature, decision or Decision())
    cost = cost_of(runtime, rows, turns=200, batch=BATCH)
    return signature, _compilation(graph, cost)


def _compilation(graph: Graph, cost: RuntimeCost) -> Compilation:
    reason = "the model is ONNX itself: there is no original to compare with"
    return Compilation(chosen=RuntimeKind.COMPILED, reason=reason, graph=graph, costs=(cost,))


def _tensors(inputs: Sequence[Any], rows: Columns) -> tuple[Tensor, ...]:
    names = tuple(rows.values)
    for entry in inputs:
        if entry.type not in _DTYPES:
            raise Invalid(f"input {entry.name!r} of this ONNX model is {entry.type}, which cannot be served")
    if len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].name not in names:
        return (Tensor(name=inputs[0].name, dtype=_DTYPES[inputs[0].type], columns=names),)
    missing = [entry.name for entry in inputs if entry.name not in names]
    if missing:
        hint = f"the rows have {', '.join(names)}"
        raise Invalid(f"input {missing[0]!r} of this ONNX model is no column of the rows", hint=hint)
    return tuple(
        Tensor(name=entry.name, dtype=_DTYPES[entry.type], columns=(entry.name,), vector=len(entry.shape) == 1)
        for entry in inputs
    )


def _output(outputs: Sequence[Any]) -> str:
    numbers = [entry for entry in outputs if entry.type in ("tensor(float)", "tensor(double)")]
    if not numbers:
        kinds = ", ".join(f"{entry.name}: {entry.type}" for entry in outputs)
        raise Invalid(f"this ONNX model gives no scores ({kinds})", hint="convert it with zipmap switched off")
    likely = [entry for entry in numbers if "prob" in entry.name.lower()]
    name: str = (likely or numbers)[-1].name
    return name


def _width(content: bytes, graph: Graph, rows: Columns) -> int:
    """How many numbers a row gives: asked of the model, because shapes in files are often left open."""
    probe = Signature(inputs=(), outputs=(), task=Task.MULTICLASS, scale=Scale.PROBABILITY)
    try:
        numbers = CompiledRuntime(content, graph, probe, Decision()).raw(rows.spread(5).values)
    except Invalid:
        raise
    except Exception as error:  # onnxruntime's errors share no base class
        raise Invalid(f"this ONNX model cannot score the rows: {error}") from error
    return 1 if numbers.ndim == 1 else int(numbers.shape[1])


def _classes(classes: Sequence[ClassLabel], width: int) -> tuple[ClassLabel, ...]:
    if width == 1 and len(classes) in (0, 2):
        return tuple(classes)
    if width > 1 and len(classes) in (0, width):
        return tuple(classes) or tuple(range(width))
    raise Invalid(f"this ONNX model gives {width} numbers a row, and {len(classes)} classes were named")


def _signature(rows: Columns, tensors: tuple[Tensor, ...], classes: tuple[ClassLabel, ...]) -> Signature:
    used = {name for tensor in tensors for name in tensor.columns}
    inputs = tuple(
        Field(name=name, dtype=rows.dtypes[name], nullable=None in values)
        for name, values in rows.values.items()
        if name in used
    )
    return Signature(
        inputs=inputs,
        outputs=outputs_of(classes),
        task=task_of(classes),
        scale=Scale.PROBABILITY if classes else Scale.VALUE,
        classes=classes,
    )
