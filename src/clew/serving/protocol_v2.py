"""The Open Inference Protocol, version 2, over HTTP and JSON.

One tensor per input column of shape [rows] or [rows, 1], or, where all inputs have one type, one tensor of shape
[rows, columns] in the order of the signature. Two additions that the protocol leaves room for: the request parameter
`time` (ISO 8601, when the event happens), and an input tensor `clew.key` of BYTES, the caller's own names of the rows.
Source: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

from typing import Any

import msgspec

from clew.core.errors import Invalid
from clew.core.types.signature import Dtype, Signature
from clew.serving.request import ColumnCheck, DecisionRequest, read_time_us

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
        self._shared = _DATATYPES[kinds.pop()] if len(kinds) == 1 else ()

    def __call__(self, body: bytes) -> tuple[DecisionRequest, list[str]]:
        """Read; see the class."""
        try:
            request = _decoder.decode(body)
        except msgspec.DecodeError as error:
            raise Invalid(f"the body is no inference request: {error}") from error
        time = request.parameters.get("time", "") if request.parameters else ""
        tensors = {tensor.name: tensor for tensor in request.inputs}
        if len(tensors) != len(request.inputs):
            raise Invalid("two input tensors have one name")
        keys = [str(key) for key in tensors.pop(KEY_TENSOR).data] if KEY_TENSOR in tensors else []
        columns = self._columns(list(tensors.values()))
        self._check(columns)
        rows = len(columns[self._names[0]])
        if keys and len(keys) != rows:
            raise Invalid(f"{len(keys)} keys for {rows} rows")
        wanted = [output.name for output in request.outputs]
        time_us = read_time_us(str(time)) if time else 0
        return DecisionRequest(columns=columns, rows=rows, id=request.id, keys=keys, time_us=time_us), wanted

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
                _check_datatype(tensor, self._datatypes[tensor.name])
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
        _check_datatype(tensor, self._shared)
        flat = _flat(tensor.data)
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


def _check_datatype(tensor: InputTensor, allowed: tuple[str, ...]) -> None:
    if tensor.datatype not in allowed:
        raise Invalid(f"tensor {tensor.name!r} has datatype {tensor.datatype!r}", hint=f"send {allowed[0]}")


def infer_response(
    *,
    model: str,
    version: int,
    request: DecisionRequest,
    outputs: dict[str, tuple[str, list[Any]]],
    wanted: list[str],
) -> bytes:
    """The body of an answer; `outputs` maps a name to its datatype and values.

    Raises:
        Invalid: an output was asked for that there is not.
    """
    for name in wanted:
        if name not in outputs:
            raise Invalid(f"no output named {name!r}", hint=f"there are {', '.join(outputs)}")
    chosen = {name: outputs[name] for name in wanted} if wanted else outputs
    body = {
        "model_name": model,
        "model_version": str(version),
        "id": request.id,
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
