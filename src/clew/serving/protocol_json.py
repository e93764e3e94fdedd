"""The plain form: rows as JSON objects in, decisions as JSON objects out.

    POST /predict   {"rows": [{"carrier": "UA", "hour": 5}], "keys": ["UA-1545"], "time": "2013-02-01T05:00:00Z"}
    POST /labels    {"labels": [{"id": "0193…", "label": true}, {"key": "UA-1545", "label": false}]}

`keys`, `time` and `id` may be left out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from clew.core.errors import Invalid
from clew.core.ids import is_id
from clew.core.types.signature import Signature
from clew.serving.records import LabelRecord
from clew.serving.request import DecisionRequest, read_time_us

__all__ = ["predict_response", "read_labels", "read_predict_request"]


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


_predict = msgspec.json.Decoder(PredictRequest)
_labels = msgspec.json.Decoder(LabelsRequest)


def read_predict_request(body: bytes, signature: Signature) -> DecisionRequest:
    """A request.

    Raises:
        Invalid: it is no such request, or a row has other columns than the model takes.
    """
    try:
        request = _predict.decode(body)
    except msgspec.DecodeError as error:
        raise Invalid(f"the body is no request: {error}", hint='send {"rows": [{…}]}') from error
    names = signature.names
    width = len(names)
    try:
        columns = {name: [row[name] for row in request.rows] for name in names}
    except KeyError as error:
        at = next(i for i, row in enumerate(request.rows) if error.args[0] not in row)
        raise Invalid(f"row {at} has no {error.args[0]!r}", hint=f"the model takes {', '.join(names)}") from error
    for i, row in enumerate(request.rows):
        if len(row) != width:
            unknown = ", ".join(repr(name) for name in row if name not in names)
            raise Invalid(f"row {i} has {unknown}, which the model does not take", hint=f"it takes {', '.join(names)}")
    if request.keys and len(request.keys) != len(request.rows):
        raise Invalid(f"{len(request.keys)} keys for {len(request.rows)} rows")
    return DecisionRequest(
        columns=columns, rows=len(request.rows), id=request.id, keys=request.keys, time_us=read_time_us(request.time)
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
