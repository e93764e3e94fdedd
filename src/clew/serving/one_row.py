"""One row through a graph of numbers, in memory that is there already: what most requests are.

Input and output are bound once to two small arrays; a row is packed into the one, and the scores stand in the other.
ONNX Runtime's own `run` makes both anew for each call, which costs as much as a small model. The numbers are the same:
it is the same session and the same shape. Not for text, nor for several rows: `clew.serving.feed`.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from clew.core.types.package import Graph, Tensor
from clew.core.types.signature import Dtype

__all__ = ["OneRow", "one_row"]

T = TypeVar("T")
Values = Mapping[str, Sequence[Any]]
_NUMPY = {Dtype.FLOAT64: "float64", Dtype.FLOAT32: "float32"}


def one_row(session: Any, graph: Graph) -> OneRow | None:
    """A faster way for single rows, where the graph takes one matrix of numbers; None elsewhere."""
    if len(graph.tensors) != 1 or graph.closed:
        return None
    [tensor] = graph.tensors
    if tensor.vector or tensor.dtype not in _NUMPY:
        return None
    try:
        return OneRow(session, tensor, graph.output)
    except Exception:  # noqa: BLE001 (onnxruntime's errors share no base class: this graph goes the ordinary way)
        return None


class OneRow:
    """See the module. Threads may share one; they queue.

    Args:
        session: of ONNX Runtime.
        tensor: what it takes: a matrix of numbers.
        output: the name of what it gives.
    """

    def __init__(self, session: Any, tensor: Tensor, output: str) -> None:
        import numpy as np

        self._columns_of = _columns_of(tensor.columns)
        self._lock, self._run = threading.Lock(), session.run_with_iobinding
        self._given: Any = np.zeros((1, len(tensor.columns)), dtype=_NUMPY[tensor.dtype])
        self._pack = struct.Struct(f"{len(tensor.columns)}{self._given.dtype.char}").pack_into
        self._scores = np.empty_like(session.run([output], {tensor.name: self._given})[0])
        self._bound = session.io_binding()
        self._bound.bind_input(tensor.name, "cpu", 0, *_place(self._given))
        self._bound.bind_output(output, "cpu", 0, *_place(self._scores))

    def __call__(self, values: Values, then: Callable[[Any], T]) -> T | None:
        """What `then` makes of the scores of a row, which it must not keep.

        None where this is no single row of numbers: several rows, a null, or what a narrower type rounds to infinity.
        """
        try:
            [row] = zip(*self._columns_of(values), strict=True)
        except (KeyError, ValueError):
            return None
        with self._lock:
            try:
                self._pack(self._given, 0, *row)
            except (struct.error, OverflowError):
                return None
            self._run(self._bound)
            return then(self._scores)


def _columns_of(names: tuple[str, ...]) -> Callable[[Values], tuple[Sequence[Any], ...]]:
    """What takes the columns of these names."""
    if len(names) > 1:
        return itemgetter(*names)
    [name] = names
    return lambda values: (values[name],)


def _place(array: Any) -> tuple[Any, tuple[int, ...], int]:
    return array.dtype.type, array.shape, array.ctypes.data
