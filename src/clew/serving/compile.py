"""Compile a fitted model behind a parity gate: convert it, replay it, time it, and keep the faster one that agrees.

A model that cannot be converted, or whose graph does not agree, is served as it was fitted, with the reason on
record; nothing is ever served that was not compared. Reasoning: docs/design/package.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from clew.core.errors import ClewError, Invalid
from clew.core.types.package import (
    Compilation,
    Decision,
    Graph,
    Parity,
    RuntimeKind,
)
from clew.core.types.signature import Dtype, Signature
from clew.registry.columns import Columns
from clew.serving.convert import convert, plan_tensors
from clew.serving.parity import BATCH, Reference, batch_difference, compare, reference_of
from clew.serving.runtime import CompiledRuntime, OriginalRuntime
from clew.serving.timing import cost_of

__all__ = ["Compiled", "compile_model"]

_MAX_ROWS = 5_000
_MAX_REASON = 160
_NULL_TEXTS = ("None", "nan", "")
"""How converters write the category that stands for null; which one it is, the replay tells."""


@dataclass(frozen=True)
class Compiled:
    """What became of a model; `graph` holds the ONNX bytes when they are to be kept."""

    compilation: Compilation
    graph: bytes | None = None


@dataclass(frozen=True)
class _Attempt:
    numbers: Dtype
    exact: bool

    def __str__(self) -> str:
        return f"{self.numbers}{'' if self.exact else ', plain skl2onnx'}"


def compile_model(model: Any, signature: Signature, sample: Columns, *, decision: Decision | None = None) -> Compiled:
    """Try to compile a fitted scikit-learn model.

    Args:
        model: the fitted estimator.
        signature: its signature.
        sample: training rows to replay; at most 5,000 are taken, evenly spaced.
        decision: how scores become decisions: no decision on the sample may change.

    Returns:
        The chosen runtime with the evidence; the original one whenever there is doubt.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # converters talk to their authors, and probes are meant to be odd
        return _compile(model, signature, sample, decision or Decision())


def _compile(model: Any, signature: Signature, sample: Columns, rule: Decision) -> Compiled:
    original = OriginalRuntime(model, signature, rule)
    rows = sample.spread(_MAX_ROWS)
    reference = reference_of(original, rows)
    reasons: list[str] = []
    try:
        closed = _known_categories(model, signature, reference.closed)
        for attempt in _attempts(signature):
            found = _try(attempt, model, signature, reference, rule, closed)
            if not isinstance(found, str):
                return _choose(original, *found, rows)
            reasons.append(f"{attempt}: {found}")
    except ClewError as error:
        reasons.append(error.what)
    cost = cost_of(original, rows, turns=5, batch=BATCH)
    reason = f"not compiled ({'; '.join(dict.fromkeys(reasons))})"
    return Compiled(Compilation(chosen=RuntimeKind.ORIGINAL, reason=reason, costs=(cost,)))


def _attempts(signature: Signature) -> list[_Attempt]:
    """The most exact first. Columns of single precision must not enter with more than they had at fitting."""
    single = [_Attempt(Dtype.FLOAT32, True), _Attempt(Dtype.FLOAT32, False)]
    if any(field.dtype is Dtype.FLOAT32 for field in signature.inputs):
        return single
    return [_Attempt(Dtype.FLOAT64, True), *single]


def _try(
    attempt: _Attempt,
    model: Any,
    signature: Signature,
    reference: Reference,
    decision: Decision,
    closed: dict[str, tuple[str, ...]],
) -> tuple[CompiledRuntime, bytes, Graph, Parity] | str:
    """The compiled model, or why there is none."""
    try:
        plan = plan_tensors(model, signature, attempt.numbers)
        content, graph = convert(plan, signature, exact=attempt.exact)
    except Exception as error:  # noqa: BLE001 (converters raise anything; it is recorded, and the original serves)
        return _short(error)
    reason = ""
    for null_text in _NULL_TEXTS if _has_null_text(signature) else _NULL_TEXTS[:1]:
        fitted = msgspec.structs.replace(graph, null_text=null_text, closed=closed)
        try:
            runtime = CompiledRuntime(content, fitted, signature, decision)
            parity = compare(reference, runtime, decision)
        except Exception as error:  # noqa: BLE001 (onnxruntime's errors share no base class)
            return _short(error)
        if parity.difference <= parity.tolerance and not parity.flips:
            return runtime, content, fitted, parity
        allowed = f"{parity.difference:.2g} (allowed {parity.tolerance:.2g})"
        reason = f"scores differ by {allowed}, {parity.flips} decisions flip"
    return reason


def _has_null_text(signature: Signature) -> bool:
    return any(field.nullable and field.dtype is Dtype.STRING for field in signature.inputs)


def _choose(
    original: OriginalRuntime, compiled: CompiledRuntime, content: bytes, graph: Graph, parity: Parity, rows: Columns
) -> Compiled:
    costs = (
        cost_of(original, rows, turns=5, batch=BATCH),
        cost_of(compiled, rows, turns=200, batch=BATCH),
    )
    faster = costs[1].row_us < costs[0].row_us
    if faster:
        reason = f"agrees, and is {costs[0].row_us / costs[1].row_us:.0f} times as fast for one row"
        chosen = RuntimeKind.COMPILED
    else:
        reason, chosen = "agrees, but is not faster for one row", RuntimeKind.ORIGINAL
        parity = msgspec.structs.replace(parity, batch_difference=batch_difference(original, rows))
    compilation = Compilation(chosen=chosen, reason=reason, graph=graph, parity=parity, costs=costs)
    return Compiled(compilation, content)


def _known_categories(model: Any, signature: Signature, closed: list[str]) -> dict[str, tuple[str, ...]]:
    """The categories of the columns in which the model refuses new ones: a graph cannot refuse, so we must."""
    found: dict[str, tuple[str, ...]] = {}
    for positions, encoder in _encoders(model, list(range(len(signature.inputs)))):
        for position, categories in zip(positions, encoder.categories_, strict=False):
            name = signature.names[position]
            if name in closed:
                found[name] = tuple(sorted(str(value) for value in categories if isinstance(value, str)))
    unknown = [name for name in closed if name not in found]
    if unknown:
        raise Invalid(f"the model refuses new categories of {unknown[0]!r}, and which it knows could not be found")
    return found


def _encoders(part: Any, positions: list[int]) -> Iterator[tuple[list[int], Any]]:
    """Encoders with the input columns that they see, as far as columns keep their places."""
    steps = getattr(part, "steps", None)
    if isinstance(steps, list) and steps:
        for _, step in steps:
            yield from _encoders(step, positions)
            if not hasattr(step, "strategy"):  # an imputer keeps columns in their places; anything else may not
                return
    elif hasattr(part, "transformers_") and hasattr(part, "_transformer_to_input_indices"):
        for name, transformer, _ in part.transformers_:
            inner = [positions[at] for at in part._transformer_to_input_indices.get(name, [])]
            yield from _encoders(transformer, inner)
    elif hasattr(part, "categories_"):
        yield positions, part


def _short(error: Exception) -> str:
    """One line: converters put whole models into their messages."""
    text = error.what if isinstance(error, ClewError) else f"{type(error).__name__}: {error}"
    line = " ".join(text[: 4 * _MAX_REASON].split())
    return line if len(line) <= _MAX_REASON else line[: _MAX_REASON - 1] + "…"
