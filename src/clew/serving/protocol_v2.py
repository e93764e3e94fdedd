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
from clew.serving.request import DecisionRequest, read_time_us

__all__ = ["infer_response", "metadata", "read_infer_request"]

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


def read_infer_request(body: bytes, signature: Signature) -> tuple[DecisionRequest, list[str]]:
    """A request, and the names of the outputs that it asks for (empty for all).

    Raises:
        Invalid: it is no request of the protocol, or its tensors do not fit the signature's columns.
    """
    try:
        request = _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise Invalid(f"the body is no inference request: {error}") from error
    time_us = read_time_us(str(request.parameters.get("time", "")))
    tensors = {tensor.name: tensor for tensor in request.inputs}
    if len(tensors) != len(request.inputs):
        raise Invalid("two input tensors have one name")
    keys = [str(key) for key in tensors.pop(KEY_TENSOR).data] if KEY_TENSOR in tensors else []
    columns = _columns(list(tensors.values()), signature)
    rows = len(next(iter(columns.values()), ()))
    if keys and len(keys) != rows:
        raise Invalid(f"{len(keys)} keys for {rows} rows")
    wanted = [output.name for output in request.outputs]
    return DecisionRequest(columns=columns, rows=rows, id=request.id, keys=keys, time_us=time_us), wanted


def _columns(tensors: list[InputTensor], signature: Signature) -> dict[str, list[Any]]:
    names = signature.names
    if len(tensors) == 1 and len(names) > 1 and tensors[0].name not in names:
        return _split(tensors[0], signature)
    columns = {}
    for tensor in tensors:
        if len(tensor.shape) == 2 and tensor.shape[1] == 1 and tensor.data and type(tensor.data[0]) is list:
            columns[tensor.name] = [value for row in tensor.data for value in row]
        else:
            columns[tensor.name] = tensor.data
        if tensor.shape not in ([len(columns[tensor.name])], [len(columns[tensor.name]), 1]):
            raise Invalid(
                f"tensor {tensor.name!r} says shape {tensor.shape} and holds {len(columns[tensor.name])} values",
                hint="one tensor per column, of shape [rows] or [rows, 1]",
            )
    dtypes = {field.name: field.dtype for field in signature.inputs}
    for tensor in tensors:
        if tensor.name in dtypes and tensor.datatype not in _DATATYPES[dtypes[tensor.name]]:
            wanted = _DATATYPES[dtypes[tensor.name]][0]
            raise Invalid(f"tensor {tensor.name!r} has datatype {tensor.datatype!r}", hint=f"send {wanted}")
    return columns


def _split(tensor: InputTensor, signature: Signature) -> dict[str, list[Any]]:
    """One matrix as columns."""
    width = len(signature.inputs)
    if len({field.dtype for field in signature.inputs}) > 1:
        raise Invalid(
            f"tensor {tensor.name!r} is no column, and columns of different types do not fit one tensor",
            hint=f"send one tensor for each of {', '.join(signature.names)}",
        )
    if tensor.datatype not in _DATATYPES[signature.inputs[0].dtype]:
        wanted = _DATATYPES[signature.inputs[0].dtype][0]
        raise Invalid(f"tensor {tensor.name!r} has datatype {tensor.datatype!r}", hint=f"send {wanted}")
    nested = bool(tensor.data) and type(tensor.data[0]) is list
    flat = [value for row in tensor.data for value in row] if nested else tensor.data
    if len(tensor.shape) != 2 or tensor.shape[1] != width or tensor.shape[0] * width != len(flat):
        raise Invalid(
            f"tensor {tensor.name!r} has shape {tensor.shape} and {len(flat)} values", hint=f"send [rows, {width}]"
        )
    return {field.name: flat[i::width] for i, field in enumerate(signature.inputs)}


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
