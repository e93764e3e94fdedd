"""What an endpoint answers to a request, whoever carries the bytes (`clew.serving.http` does).

A decision is checked, scored, written to the replica's journal and only then answered; versions in shadow score after
the answer has gone out, and their failures touch nobody. Protocols: `protocol_json`, `_v2`, `_mlflow`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import lru_cache, partial
from http import HTTPStatus
from math import isfinite
from time import perf_counter
from typing import Any

import msgspec

from clew.core.clock import Clock
from clew.core.errors import ClewError, Conflict, Denied, Invalid, NotFound, Unavailable
from clew.core.ids import IdSource
from clew.core.numbers import counted
from clew.serving import protocol_json, protocol_mlflow, protocol_v2
from clew.serving.answer import Answer, error_answer, json_answer
from clew.serving.journal import ReplicaJournal
from clew.serving.lane import Lane
from clew.serving.metrics import Metrics
from clew.serving.records import DecisionRecord, ShadowRecord, encode, row_id
from clew.serving.request import DecisionRequest
from clew.serving.slots import Served, Slots

__all__ = ["STATUS_OF", "Decided", "EndpointApp"]

STATUS_OF: dict[type[ClewError], HTTPStatus] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    Denied: HTTPStatus.FORBIDDEN,
    Conflict: HTTPStatus.CONFLICT,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""From error to status; the nearest class counts, and what is not here is our defect: 500."""

_CODE_OF = {408: "too_slow", 413: "too_large", 415: "unsupported", 431: "too_large", 503: "unavailable"}
_HEALTH = frozenset({"/health", "/ping", "/v2/health/live", "/v2/health/ready"})
"""What a load balancer asks; everything else needs a key where keys are wanted."""
_PATHS = _HEALTH | {"/", "/metrics", "/v2", "/v2/", "/version"}
_INVOCATIONS = "/invocations"
_TEXT = b"text/plain; version=0.0.4; charset=utf-8"
_MODEL_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/infer|/ready)?")
_log = logging.getLogger("clew.serving")


class Decided(msgspec.Struct, frozen=True, gc=False):
    """A decision that was logged."""

    served: Served
    request: DecisionRequest
    ids: list[str]
    time_us: int
    received_us: int
    scores: list[float]
    decisions: list[Any]
    class_scores: list[list[float]] = []


class EndpointApp:
    """The application of one endpoint.

    Args:
        name: the endpoint's name.
        slots: the versions to run; assign a new value to swap.
        journal: where decisions are written before they are answered.
        clock: for the time of receipt.
        ids: for the ids of predictions.
        most_rows: requests with more rows are refused with 400.
        allows: whether an `Authorization` header may ask; everybody may when None.
    """

    def __init__(
        self,
        name: str,
        slots: Slots,
        *,
        journal: ReplicaJournal,
        clock: Clock,
        ids: IdSource,
        most_rows: int = 10_000,
        allows: Callable[[str], bool] | None = None,
    ) -> None:
        self.name, self.slots = name, slots
        self.metrics = Metrics(name)
        self._journal, self._clock, self._ids = journal, clock, ids
        self._most_rows, self._allows = most_rows, allows
        self._lane = Lane("clew-shadows")

    def answer(
        self,
        method: str,
        path: str,
        body: bytes,
        started: float,
        authorization: str = "",
        *,
        foreign: bool = False,
        is_csv: bool = False,
    ) -> Answer:
        """Answer one request; every error is an answer too. `foreign` is as in `clew.core.loopback`."""
        try:
            if foreign and (self._allows is None or self._allows("")):
                raise Denied(
                    "this endpoint has no keys: it answers programs of this machine, and no page but its own",
                    hint=f"call it as localhost, or make a key and send it: clew keys add {self.name}",
                )
            if self._allows is not None and path not in _HEALTH and not self._allows(authorization):
                return self._unknown_caller(path)
            if is_csv:
                return self._csv(method, path, body, started)
            return self._route(method, path, body, started)
        except ClewError as error:
            status = next((STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF), 500)
            if status == HTTPStatus.INTERNAL_SERVER_ERROR:
                _log.exception("clew could not answer %s %s", method, path)
            return _error(path, int(status), error.what, code=error.code, hint=error.hint)
        except Exception:  # noqa: BLE001 - the door: one request must not end the others
            _log.exception("clew could not answer %s %s", method, path)
            return _error(path, 500, "this is a defect of clew; its log says more", code="internal")

    def _unknown_caller(self, path: str) -> Answer:
        self.metrics.denied += 1
        hint = f"send Authorization: Bearer KEY; clew keys add {self.name} makes one"
        return _error(path, 401, "this endpoint answers those who have a key", code="unauthorized", hint=hint)

    def refuse(self, status: int, text: str, *, hint: str = "") -> Answer:
        """Answer what never became a whole request."""
        self.metrics.count(status)
        return error_answer(status, text, code=_CODE_OF.get(status, "invalid"), hint=hint)

    def after(self, answer: Answer, method: str, started: float) -> None:
        """The answer is out: count it, and let the shadows score."""
        if method == "POST":
            self.metrics.observe(answer.status, perf_counter() - started)
        if answer.about is not None:
            self._shadow(answer.about)

    def _route(self, method: str, path: str, body: bytes, started: float) -> Answer:
        if path == "/predict":
            return self._only("POST", method) or self._predict(body, started)
        if path == "/labels":
            return self._only("POST", method) or self._labels(body)
        if found := _model_path(path):
            model, version, verb = found
            self._know(model, version)
            if verb == "/infer":
                return self._only("POST", method) or self._infer(body, started)
            return self._only("GET", method) or (self._ready() if verb else self._metadata())
        if path == _INVOCATIONS:
            return self._only("POST", method) or self._invocations(body, started)
        return self._about(path, method)

    def _csv(self, method: str, path: str, body: bytes, started: float) -> Answer:
        """One protocol knows CSV."""
        if path != _INVOCATIONS:
            return error_answer(415, "CSV is not understood here", code=_CODE_OF[415], hint="send JSON in UTF-8")
        return self._only("POST", method) or self._invocations(body, started, is_csv=True)

    def _about(self, path: str, method: str) -> Answer:
        if path not in _PATHS:
            hint = "POST /predict, POST /labels, POST /v2/models/NAME/infer, POST /invocations"
            return error_answer(404, f"nothing at {path}", code="not_found", hint=hint)
        if refused := self._only("GET", method):
            return refused
        if path in _HEALTH:
            return self._ready()
        if path == "/metrics":
            champion = self.slots.champion.version
            text = self.metrics.text(model=champion.name, version=champion.number)
            return Answer(text.encode(), content_type=_TEXT)
        if path in ("/v2", "/v2/", "/version"):
            # Not `from clew import __version__`: for the type checker, that package holds the layers above this one.
            from importlib.metadata import version

            ours = version("clew")
            if path == "/version":
                return Answer(ours.encode(), content_type=b"text/plain; charset=utf-8")
            return json_answer({"name": "clew", "version": ours, "extensions": []})
        return json_answer(self._state())

    def _know(self, model: str, version: str | None) -> None:
        champion = self.slots.champion.version
        if model not in (champion.name, self.name):
            raise NotFound("model", model, hint=f"this endpoint serves {champion.name}")
        if version is not None and version != str(champion.number):
            raise NotFound("version", version, hint=f"this endpoint serves version {champion.number}")

    def _predict(self, body: bytes, started: float) -> Answer:
        served = self.slots.champion
        decided = self._decide(served, served.read_predict(body), started)
        answer = protocol_json.predict_response(
            model=served.version.name,
            version=served.version.number,
            request=decided.request,
            ids=decided.ids,
            scores=decided.scores,
            decisions=decided.decisions,
        )
        return Answer(answer, about=decided)

    def _infer(self, body: bytes, started: float) -> Answer:
        served = self.slots.champion
        request, wanted = served.read_infer(body)
        for name in wanted:
            if name not in _OUTPUTS:
                raise Invalid(f"no output named {name!r}", hint=f"there are {', '.join(_OUTPUTS)}")
        decided = self._decide(served, request, started)
        outputs = {
            "score": ("FP64", decided.scores),
            "decision": (_datatype(served), decided.decisions),
            "prediction_id": ("BYTES", decided.ids),
        }
        answer = protocol_v2.infer_response(
            model=served.version.name, version=served.version.number, request=request, outputs=outputs, wanted=wanted
        )
        return Answer(answer, about=decided)

    def _invocations(self, body: bytes, started: float, *, is_csv: bool = False) -> Answer:
        served = self.slots.champion
        request = served.read_invocations(body, is_csv=is_csv, most_rows=self._most_rows)
        decided = self._decide(served, request, started)
        answer = protocol_mlflow.invocations_response(decisions=decided.decisions, ids=decided.ids)
        return Answer(answer, about=decided)

    def _decide(self, served: Served, request: DecisionRequest, started: float) -> Decided:
        """Check, score and log: when this returns, the decision is in the journal."""
        if not 0 < request.rows <= self._most_rows:
            raise Invalid(f"{counted(request.rows, 'rows')} in one request", hint=f"send 1 to {self._most_rows} rows")
        if wrong := served.check(request.columns):
            raise Invalid("; ".join(wrong[:5]), hint="the project's data checks refuse this ([checks] in clew.toml)")
        class_scores: list[list[float]] = []
        if served.logs_classes:
            scores, decisions, class_scores = served.scorer.decide_classes(request.columns)
        else:
            scores, decisions = served.scorer.decide(request.columns)
        _check_scores(scores, request.rows)
        received_us = self._clock.now_us()
        first_id = self._ids()
        decided = Decided(
            served=served,
            request=request,
            ids=[row_id(first_id, row) for row in range(request.rows)],
            time_us=request.time_us or received_us,
            received_us=received_us,
            scores=scores,
            decisions=decisions,
            class_scores=class_scores,
        )
        self._journal.append(encode(_record(decided, latency_us=int((perf_counter() - started) * 1e6))))
        self.metrics.rows += request.rows
        return decided

    def _shadow(self, decided: Decided) -> None:
        """Have the shadows score: the quick ones now, the slow ones in a lane of their own."""
        for shadow in self.slots.shadows:
            if not shadow.slow:
                self._score_in_shadow(shadow, decided)
            elif not self._lane.offer(partial(self._score_in_shadow, shadow, decided)):
                self.metrics.shadow_dropped += 1
                if self.metrics.shadow_dropped == 1:
                    _log.warning("%s cannot keep up in shadow: requests are left out", shadow.version.reference)

    def _score_in_shadow(self, shadow: Served, decided: Decided) -> None:
        try:
            if shadow.signature.inputs != decided.served.signature.inputs:
                shadow.check_columns(decided.request.columns)
            scores, decisions = shadow.scorer.decide(decided.request.columns)
            _check_scores(scores, decided.request.rows)
            record = ShadowRecord(
                first_id=decided.ids[0],
                time_us=decided.time_us,
                received_us=decided.received_us,
                version=shadow.version.id,
                runtime=shadow.scorer.id,
                scores=scores,
                decisions=decisions,
            )
            self._journal.append(encode(record))
            self.metrics.shadowed(rows=len(scores))
        except Exception:  # noqa: BLE001 - a challenger's failure is counted, and the champion's answer stands
            self.metrics.shadowed(failures=1)
            _log.exception("%s could not score in shadow", shadow.version.reference)

    def close(self) -> None:
        """Let the slow shadows finish; call it before the journal is closed."""
        if given_up := self._lane.close():
            self.metrics.shadow_dropped += given_up
            _log.warning("%d requests were not scored in shadow: the replica ends", given_up)

    def _labels(self, body: bytes) -> Answer:
        record = protocol_json.read_labels(body, now_us=self._clock.now_us())
        slots = self.slots
        served = (slots.champion, *slots.shadows)
        for i, label in enumerate(record.labels):
            if not any(each.knows(label) for each in served):
                wanted = ", ".join(str(each) for each in slots.champion.signature.classes) or "numbers"
                raise Invalid(f"label {i}: {label!r} is nothing that {self.name} decides", hint=f"it decides {wanted}")
        if record.labels:
            self._journal.append(encode(record))
            self.metrics.labels += len(record.labels)
        return json_answer({"accepted": len(record.labels)})

    def _ready(self) -> Answer:
        return json_answer({"live": True, "ready": True, **self._state()})

    def _state(self) -> dict[str, Any]:
        return {
            "endpoint": self.name,
            "model": self.slots.champion.version.name,
            "version": self.slots.champion.version.number,
            "shadows": [shadow.version.number for shadow in self.slots.shadows],
        }

    def _metadata(self) -> Answer:
        served = self.slots.champion
        outputs = {"score": "FP64", "decision": _datatype(served), "prediction_id": "BYTES"}
        name, number = served.version.name, served.version.number
        return json_answer(
            protocol_v2.metadata(model=name, versions=[number], signature=served.signature, outputs=outputs)
        )

    def _only(self, wanted: str, method: str) -> Answer | None:
        if method == wanted or (wanted == "GET" and method == "HEAD"):
            return None
        refused = error_answer(405, f"{method} is not allowed here", code="method_not_allowed", hint=f"use {wanted}")
        return msgspec.structs.replace(refused, allow=b"GET, HEAD" if wanted == "GET" else wanted.encode())


_OUTPUTS = ("score", "decision", "prediction_id")


def _error(path: str, status: int, text: str, *, code: str, hint: str = "") -> Answer:
    """An error as the protocol of a path has it."""
    if path == _INVOCATIONS:
        return protocol_mlflow.error_answer(status, text, hint=hint)
    return error_answer(status, text, code=code, hint=hint)


@lru_cache(maxsize=64)
def _model_path(path: str) -> tuple[str, str | None, str | None] | None:
    """Model, version and verb of a path that names a model."""
    found = _MODEL_PATH.fullmatch(path)
    return (found[1], found[2], found[3]) if found else None


def _check_scores(scores: list[float], rows: int) -> None:
    """Refuse what is not a score for each row."""
    if len(scores) != rows:
        raise Invalid(f"the model gives {counted(len(scores), 'scores')} for {counted(rows, 'rows')}")
    if not all(map(isfinite, scores)):
        row = next(at for at, score in enumerate(scores) if not isfinite(score))
        raise Invalid(
            f"row {row}: the model gives {scores[row]}, which is no score",
            hint="a value of this row is null, or far beyond those that it was trained on",
        )


def _record(decided: Decided, *, latency_us: int) -> DecisionRecord:
    request = decided.request
    return DecisionRecord(
        first_id=decided.ids[0],
        request=request.id,
        time_us=decided.time_us,
        received_us=decided.received_us,
        latency_us=latency_us,
        version=decided.served.version.id,
        runtime=decided.served.scorer.id,
        rows=request.rows,
        keys=request.keys,
        columns=request.columns,
        scores=decided.scores,
        decisions=decided.decisions,
        class_scores=decided.class_scores,
    )


def _datatype(served: Served) -> str:
    """The protocol's type of the decision: that of the classes, a number for a regression."""
    kinds = {type(label) for label in served.signature.classes} or {float}
    return {bool: "BOOL", int: "INT64", float: "FP64"}.get(kinds.pop(), "BYTES") if len(kinds) == 1 else "BYTES"
