"""The Open Inference Protocol, version 2, over HTTP and JSON.

One tensor per input column of shape [rows] or [rows, 1], or, where all inputs have one type, one tensor of shape
[rows, columns] in the order of the signature. Two additions that the protocol leaves room for: the request parameter
`time` (ISO 8601, when the event happens), and an input tensor `clew.key` of BYTES, the caller's own names of the rows.
Source: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from clew.core.errors import Invalid
from clew.core.types.signature import Dtype, Signature
from clew.serving.body import read_body, refuse_repeated_keys
from clew.serving.request import ColumnCheck, DecisionRequest, check_names, read_time_us

__all__ = ["InferReader", "infer_response", "metadata"]

KEY_TENSOR = "clew.key"
_DATATYPES = {
    Dtype.BOOL: ("BOOL",),
    Dtype.INT64: ("INT64", "INT32", "INT16", "INT8", "UINT32", "UINT16", "UINT8"),
    Dtype.TIME: ("INT64",),
    Dtype.FLOAT32: ("FP32", "FP64", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT32", "UINT16", "UINT8"),
    Dtype.FLOAT64: ("FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT32", "UINT16", "UINT8"),
    Dtype.STRING: ("BYTES",),
}
_NARROW = {
    **{f"INT{bits}": range(-(2 ** (bits - 1)), 2 ** (bits - 1)) for bits in (8, 16, 32)},
    **{f"UINT{bits}": range(2**bits) for bits in (8, 16, 32)},
}
"""Types of the protocol that hold fewer values than ours."""


class InputTensor(msgspec.Struct, frozen=True):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: dict[str, str | int | float | bool] = {}


class OutputChoice(msgspec.Struct, frozen=True):
    name: str
    parameters: dict[str, str | int | float | bool] = {}


class InferRequest(msgspec.Struct, frozen=True):
    inputs: list[InputTensor]
    id: str = ""
    parameters: dict[str, str | int | float | bool] = {}
    outputs: list[OutputChoice] = []


_decoder = msgspec.json.Decoder(InferRequest)


class InferReader:
    """Reads requests by a signature, with the names of the outputs that are asked for (empty for all).

    Raises:
        Invalid: it is no request of the protocol, or its tensors do not fit the signature.
    """

    def __init__(self, signature: Signature, check: ColumnCheck) -> None:
        self._names, self._check = signature.names, check
        self._datatypes = {field.name: _DATATYPES[field.dtype] for field in signature.inputs}
        kinds = {field.dtype for field in signature.inputs}
        self._doubles = kinds == {Dtype.FLOAT64} and len(self._names) > 1
        self._shared = _DATATYPES[kinds.pop()] if len(kinds) == 1 else ()

    def __call__(self, body: bytes) -> tuple[DecisionRequest, list[str]]:
        """Read; see the class."""
        request = read_body(_decoder, body, kind="is no inference request", hint='send {"inputs": [{…}]}')
        refuse_repeated_keys(body, _keys_of(request), lambda: _texts_of(request))
        time = request.parameters.get("time", "") if request.parameters else ""
        tensors = {tensor.name: tensor for tensor in request.inputs}
        if len(tensors) != len(request.inputs):
            raise Invalid("two input tensors have one name")
        keys = _names_of(tensors.pop(KEY_TENSOR)) if KEY_TENSOR in tensors else []
        columns = self._doubles_of(list(tensors.values()))
        if columns is None:
            columns = self._columns(list(tensors.values()))
            self._check(columns)
        rows = len(columns[self._names[0]])
        check_names(request.id, keys, rows=rows)
        wanted = [output.name for output in request.outputs]
        time_us = read_time_us(str(time)) if time else 0
        return DecisionRequest(columns=columns, rows=rows, id=request.id, keys=keys, time_us=time_us), wanted

    def _doubles_of(self, tensors: list[InputTensor]) -> dict[str, list[Any]] | None:
        """The columns of one matrix of floats, where the model takes nothing else: a number of JSON is always finite,
        so that nothing is left to check. None for everything else."""
        if not (self._doubles and len(tensors) == 1):
            return None
        [tensor] = tensors
        if tensor.datatype != "FP64" or set(map(type, tensor.data)) != {float} or tensor.name in self._datatypes:
            return None
        return self._split(tensor)

    def _columns(self, tensors: list[InputTensor]) -> dict[str, list[Any]]:
        if len(tensors) == 1 and len(self._names) > 1 and tensors[0].name not in self._datatypes:
            return self._split(tensors[0])
        columns = {}
        for tensor in tensors:
            data = _flat(tensor.data) if len(tensor.shape) == 2 and tensor.shape[1] == 1 else tensor.data
            columns[tensor.name] = data
            if tensor.shape not in ([len(data)], [len(data), 1]):
                raise Invalid(
                    f"tensor {tensor.name!r} says shape {tensor.shape} and holds {len(data)} values",
                    hint="one tensor per column, of shape [rows] or [rows, 1]",
                )
            if tensor.name in self._datatypes:
                _check_datatype(tensor, data, self._datatypes[tensor.name])
        return columns

    def _split(self, tensor: InputTensor) -> dict[str, list[Any]]:
        """One matrix as columns."""
        names, shape = self._names, tensor.shape
        width = len(names)
        if not self._shared:
            raise Invalid(
                f"tensor {tensor.name!r} is no column, and columns of different types do not fit one tensor",
                hint=f"send one tensor for each of {', '.join(names)}",
            )
        flat = _flat(tensor.data)
        _check_datatype(tensor, flat, self._shared)
        if len(shape) != 2 or shape[1] != width or shape[0] * width != len(flat):
            raise Invalid(
                f"tensor {tensor.name!r} has shape {shape} and {len(flat)} values", hint=f"send [rows, {width}]"
            )
        if len(flat) == width:
            return {name: [value] for name, value in zip(names, flat, strict=True)}
        return {name: flat[at::width] for at, name in enumerate(names)}


def _flat(data: list[Any]) -> list[Any]:
    if not data or type(data[0]) is not list:
        return data
    if any(type(row) is not list for row in data):
        raise Invalid("a tensor mixes lists and values", hint="send all rows as lists, or all values in one list")
    return [value for row in data for value in row]


def _check_datatype(tensor: InputTensor, values: list[Any], allowed: tuple[str, ...]) -> None:
    if tensor.datatype not in allowed:
        raise Invalid(f"tensor {tensor.name!r} has datatype {tensor.datatype!r}", hint=f"send {allowed[0]}")
    within = _NARROW.get(tensor.datatype)
    if within is not None:  # what is no integer is refused by the signature
        for row, value in enumerate(values):
            if type(value) is int and value not in within:
                raise Invalid(f"tensor {tensor.name!r}, row {row}: {value} is not {tensor.datatype}", hint="send INT64")


def _names_of(tensor: InputTensor) -> list[str]:
    """The caller's names of the rows."""
    names = _flat(tensor.data)
    if not all(type(name) is str for name in names):
        raise Invalid(f"tensor {tensor.name!r} holds names of rows, which are texts", hint="send BYTES")
    return names


def _keys_of(request: InferRequest) -> int:
    """How many keys the body has at least: more where a field with its default, or an unknown one, is written out."""
    said = 1 + bool(request.id) + bool(request.outputs) + 4 * len(request.inputs) + len(request.outputs)
    return said + sum(1 + len(each) for each in _parameters(request) if each)


def _texts_of(request: InferRequest) -> Iterator[str]:
    yield request.id
    for parameters in _parameters(request):
        yield from parameters
        yield from (value for value in parameters.values() if type(value) is str)
    yield from (output.name for output in request.outputs)
    for tensor in request.inputs:
        yield from (tensor.name, tensor.datatype)
        yield from (value for value in _flat(tensor.data) if type(value) is str)


def _parameters(request: InferRequest) -> Iterator[dict[str, str | int | float | bool]]:
    yield request.parameters
    yield from (tensor.parameters for tensor in request.inputs)
    yield from (output.parameters for output in request.outputs)


def infer_response(
    *,
    model: str,
    version: int,
    request: DecisionRequest,
    outputs: dict[str, tuple[str, list[Any]]],
    wanted: list[str],
) -> bytes:
    """The body of an answer; `outputs` maps a name to its datatype and values, and `wanted` names some of them."""
    chosen = {name: outputs[name] for name in wanted} if wanted else outputs
    body = {
        "model_name": model,
        "model_version": str(version),
        **({"id": request.id} if request.id else {}),
        "outputs": [
            {"name": name, "shape": [len(values)], "datatype": datatype, "data": values}
            for name, (datatype, values) in chosen.items()
        ],
    }
    return msgspec.json.encode(body)


def metadata(*, model: str, versions: list[int], signature: Signature, outputs: dict[str, str]) -> dict[str, Any]:
    """The description of a model."""
    return {
        "name": model,
        "versions": [str(version) for version in versions],
        "platform": "clew",
        "inputs": [
            {"name": field.name, "datatype": _DATATYPES[field.dtype][0], "shape": [-1]} for field in signature.inputs
        ],
        "outputs": [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in outputs.items()],
    }
