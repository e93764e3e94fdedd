"""The plain form: rows as JSON objects in, decisions as JSON objects out.

    POST /predict   {"rows": [{"carrier": "UA", "hour": 5}], "keys": ["UA-1545"], "time": "2013-02-01T05:00:00Z"}
    POST /labels    {"labels": [{"id": "0193…", "label": true}, {"key": "UA-1545", "label": false}]}

`keys`, `time` and `id` may be left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec.structs import astuple

from clew.core.errors import Invalid
from clew.core.ids import is_id
from clew.core.numbers import some
from clew.core.types.signature import Dtype, Signature
from clew.serving.body import read_body, refuse_repeated_keys
from clew.serving.records import LabelRecord
from clew.serving.request import (
    FLOAT32_MAX,
    LEAST,
    LONGEST_NAME,
    MOST,
    ColumnCheck,
    DecisionRequest,
    check_names,
    read_time_us,
    takes_columns,
)

__all__ = ["PredictReader", "predict_response", "read_labels"]


class PredictRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rows: list[dict[str, Any]]
    keys: list[str] = []
    time: str = ""
    id: str = ""


class PredictedRow(msgspec.Struct, frozen=True, gc=False):
    id: str
    score: float
    decision: Any


class PredictResponse(msgspec.Struct, frozen=True, gc=False):
    model: str
    version: int
    id: str | msgspec.UnsetType
    predictions: list[PredictedRow]


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    label: bool | int | float | str
    id: str = ""
    key: str = ""


class LabelsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    labels: list[Label]
    time: str = ""


_Integer = Annotated[int, msgspec.Meta(ge=LEAST, le=MOST)]
_Exact = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
_Short = Annotated[float, msgspec.Meta(ge=-FLOAT32_MAX, le=FLOAT32_MAX)]
_TYPES: dict[Dtype, Any] = {
    Dtype.BOOL: bool,
    Dtype.INT64: _Integer,
    Dtype.TIME: _Integer,
    Dtype.FLOAT64: float | _Exact,
    Dtype.FLOAT32: _Short | _Exact,
    Dtype.STRING: str,
}
"""What JSON may hold for a column; a number of JSON is always finite."""

_encode = msgspec.json.Encoder().encode
_predict = msgspec.json.Decoder(PredictRequest)
_labels = msgspec.json.Decoder(LabelsRequest)


class PredictReader:
    """Reads requests by a signature: a decoder made for it takes what fits in one pass, with no dictionary per row.

    What it does not take is read again without types, for the words of the refusal.

    Raises:
        Invalid: it is no such request, or the rows do not fit the signature.
    """

    def __init__(self, signature: Signature, check: ColumnCheck) -> None:
        self._names, self._check = signature.names, check
        self._nullable = [field.name for field in signature.inputs if field.nullable]
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_typed_request(signature))

    def __call__(self, body: bytes) -> DecisionRequest:
        """Read; see the class."""
        try:
            request = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._untyped(body)
        rows = request.rows
        if len(rows) == 1:
            columns = {name: [value] for name, value in zip(self._names, astuple(rows[0]), strict=True)}
        else:
            columns = dict(zip(self._names, map(list, zip(*map(astuple, rows), strict=True)), strict=bool(rows)))
        return _decision_request(body, request, columns)

    def _untyped(self, body: bytes) -> DecisionRequest:
        hint = 'send {"rows": [{…}], "keys": ["…"]}; keys may be left out'
        request = read_body(_predict, body, kind="is no request", hint=hint)
        names = self._names
        takes = takes_columns(names)
        for i, row in enumerate(request.rows):
            if row.keys() != set(names):
                missing, unknown = [n for n in names if n not in row], [n for n in row if n not in names]
                if missing:
                    known = [name for name in missing if name in self._nullable]
                    null = f"; send null where it is not known: {some(known)}" if known else ""
                    raise Invalid(f"row {i} has no {some(list(map(repr, missing)))}", hint=takes + null)
                shown = some(list(map(repr, unknown)))
                raise Invalid(f"row {i} has {shown}, which the model does not take", hint=takes)
        columns = {name: [row[name] for row in request.rows] for name in names}
        self._check(columns)
        return _decision_request(body, request, columns)


def _decision_request(body: bytes, request: Any, columns: dict[str, list[Any]]) -> DecisionRequest:
    rows, keys = len(request.rows), request.keys
    # more where a field with its default is written out
    said = 1 + bool(keys) + bool(request.time) + bool(request.id)
    refuse_repeated_keys(body, said + rows * len(columns), lambda: _texts_of_rows(request, columns))
    if keys or request.id:
        check_names(request.id, keys, rows=rows)
    return DecisionRequest(
        columns=columns, rows=rows, id=request.id, keys=keys, time_us=read_time_us(request.time) if request.time else 0
    )


def _texts_of_rows(request: Any, columns: dict[str, list[Any]]) -> Iterator[str]:
    yield from (request.time, request.id, *request.keys)
    yield from (name for name in columns for _ in request.rows)
    yield from (value for column in columns.values() for value in column if type(value) is str)


def _typed_request(signature: Signature) -> type:
    """`PredictRequest` with the columns of a signature as the fields of a row."""
    kinds: list[tuple[str, Any]] = [
        (f"f{at}", _TYPES[field.dtype] | None if field.nullable else _TYPES[field.dtype])
        for at, field in enumerate(signature.inputs)
    ]
    names = {f"f{at}": name for at, name in enumerate(signature.names)}
    row = msgspec.defstruct("Row", kinds, rename=names, forbid_unknown_fields=True, gc=False)
    return msgspec.defstruct(
        "TypedPredictRequest",
        [("rows", list[row]), ("keys", list[str], []), ("time", str, ""), ("id", str, "")],  # type: ignore[valid-type]  # made just now
        forbid_unknown_fields=True,
    )


def read_labels(body: bytes, *, now_us: int) -> LabelRecord:
    """Labels that arrived.

    Raises:
        Invalid: they cannot be read, or one names neither an id nor a key.
    """
    request = read_body(_labels, body, kind="holds no labels", hint='send {"labels": [{"id": …, "label": …}]}')
    # an id or a key beside each label, and the time where it is said
    refuse_repeated_keys(body, 1 + 2 * len(request.labels) + bool(request.time), lambda: _texts_of_labels(request))
    for i, label in enumerate(request.labels):
        if bool(label.id) == bool(label.key):
            raise Invalid(f"label {i} needs an id or a key, one of them")
        if label.id and not is_id(label.id):
            raise Invalid(f"label {i}: {label.id!r} is no id of a prediction", hint="send the id that came with it")
        if len(label.key) > LONGEST_NAME:
            raise Invalid(f"label {i}: its key has {len(label.key)} characters", hint=f"{LONGEST_NAME} are the most")
        if type(label.label) is int and not LEAST <= label.label <= MOST:
            raise Invalid(f"label {i}: {label.label} is no integer of 64 bits", hint="send what the model was taught")
    return LabelRecord(
        received_us=now_us,
        time_us=read_time_us(request.time) or now_us,
        ids=[label.id for label in request.labels],
        keys=[label.key for label in request.labels],
        labels=[label.label for label in request.labels],
    )


def _texts_of_labels(request: LabelsRequest) -> Iterator[str]:
    yield request.time
    for label in request.labels:
        yield label.key
        if type(label.label) is str:
            yield label.label


def predict_response(
    *, model: str, version: int, request: DecisionRequest, ids: list[str], scores: list[float], decisions: list[Any]
) -> bytes:
    """The body of an answer."""
    rows = list(map(PredictedRow, ids, scores, decisions))
    return _encode(PredictResponse(model, version, request.id or msgspec.UNSET, rows))
