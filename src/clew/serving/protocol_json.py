"""The plain form: rows as JSON objects in, decisions as JSON objects out.

    POST /predict   {"rows": [{"carrier": "UA", "hour": 5}], "keys": ["UA-1545"], "time": "2013-02-01T05:00:00Z"}
    POST /labels    {"labels": [{"id": "0193…", "label": true}, {"key": "UA-1545", "label": false}]}

`keys`, `time` and `id` may be left out.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec.structs import astuple

from clew.core.errors import Invalid
from clew.core.ids import is_id
from clew.core.types.signature import Dtype, Signature
from clew.serving.records import LabelRecord
from clew.serving.request import ColumnCheck, DecisionRequest, read_time_us

__all__ = ["PredictReader", "predict_response", "read_labels"]


class PredictRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rows: list[dict[str, Any]]
    keys: list[str] = []
    time: str = ""
    id: str = ""


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    label: bool | int | float | str
    id: str = ""
    key: str = ""


class LabelsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    labels: list[Label]
    time: str = ""


_Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: dict[Dtype, Any] = {
    Dtype.BOOL: bool,
    Dtype.INT64: _Integer,
    Dtype.TIME: _Integer,
    Dtype.FLOAT64: float | _Integer,
    Dtype.FLOAT32: float | _Integer,
    Dtype.STRING: str,
}
"""What JSON may hold for a column; a number of JSON is always finite."""

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
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_typed_request(signature))

    def __call__(self, body: bytes) -> DecisionRequest:
        """Read; see the class."""
        try:
            request = self._decoder.decode(body)
        except msgspec.DecodeError:
            return self._untyped(body)
        rows = request.rows
        if len(rows) == 1:
            columns = {name: [value] for name, value in zip(self._names, astuple(rows[0]), strict=True)}
        else:
            columns = dict(zip(self._names, map(list, zip(*map(astuple, rows), strict=True)), strict=bool(rows)))
        return _decision_request(request, columns)

    def _untyped(self, body: bytes) -> DecisionRequest:
        try:
            request = _predict.decode(body)
        except msgspec.DecodeError as error:
            raise Invalid(f"the body is no request: {error}", hint='send {"rows": [{…}]}') from error
        names = self._names
        takes = f"the model takes {', '.join(names)}"
        for i, row in enumerate(request.rows):
            if row.keys() != set(names):
                missing, unknown = [n for n in names if n not in row], [n for n in row if n not in names]
                if missing:
                    raise Invalid(f"row {i} has no {missing[0]!r}", hint=takes)
                shown = ", ".join(map(repr, unknown[:20]))
                raise Invalid(f"row {i} has {shown}, which the model does not take", hint=takes)
        columns = {name: [row[name] for row in request.rows] for name in names}
        self._check(columns)
        return _decision_request(request, columns)


def _decision_request(request: Any, columns: dict[str, list[Any]]) -> DecisionRequest:
    rows, keys = len(request.rows), request.keys
    if keys and len(keys) != rows:
        raise Invalid(f"{len(keys)} keys for {rows} rows")
    return DecisionRequest(
        columns=columns, rows=rows, id=request.id, keys=keys, time_us=read_time_us(request.time) if request.time else 0
    )


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
        [("rows", list[row]), ("keys", list[str], []), ("time", str, ""), ("id", str, "")],  # type: ignore[valid-type]
        forbid_unknown_fields=True,
    )


def read_labels(body: bytes, *, now_us: int) -> LabelRecord:
    """Labels that arrived.

    Raises:
        Invalid: they cannot be read, or one names neither an id nor a key.
    """
    try:
        request = _labels.decode(body)
    except msgspec.DecodeError as error:
        raise Invalid(f"the body holds no labels: {error}", hint='send {"labels": [{"id": …, "label": …}]}') from error
    for i, label in enumerate(request.labels):
        if bool(label.id) == bool(label.key):
            raise Invalid(f"label {i} needs an id or a key, one of them")
        if label.id and not is_id(label.id):
            raise Invalid(f"label {i}: {label.id!r} is no id of a prediction", hint="send the id that came with it")
    return LabelRecord(
        received_us=now_us,
        time_us=read_time_us(request.time) or now_us,
        ids=[label.id for label in request.labels],
        keys=[label.key for label in request.labels],
        labels=[label.label for label in request.labels],
    )


def predict_response(
    *, model: str, version: int, request: DecisionRequest, ids: list[str], scores: list[float], decisions: list[Any]
) -> bytes:
    """The body of an answer."""
    rows = [
        {"id": row_id, "score": score, "decision": decision}
        for row_id, score, decision in zip(ids, scores, decisions, strict=True)
    ]
    return msgspec.json.encode({"model": model, "version": version, "id": request.id, "predictions": rows})
