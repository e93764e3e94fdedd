"""The OpenAPI document of the server, complete enough for a typed client.

The framework knows paths, queries and JSON. What it cannot know is said here: bodies and answers in MessagePack, the
one form of errors, tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from clew.core.judging import FoundRun
from clew.core.paging import Page
from clew.core.problem import Problem
from clew.core.types.gate import GateReport
from clew.core.types.series import Series, SeriesBlock
from clew.core.types.step import StepEntry
from clew.server.models import Wish
from clew.server.request import MESSAGEPACK
from clew.server.steps import Done

__all__ = ["API", "ARRIVALS", "Document"]

BYTES = "application/octet-stream"
PACKED_BODIES: dict[str, Any] = {
    "append_blocks": list[SeriesBlock],
    "put_steps": Done,
    "put_objects": list[bytes],
    "judge_version": Wish,
    "promote_version": Wish,
}
BINARY_BODIES = {"put_object", "append_upload"}
API = "/api/v1"
ARRIVALS, _ARRIVING = "arrivals", "arriving_"
_METHODS = ("get", "post", "put", "patch", "delete", "head")
_WHAT = {
    "400": "what was sent cannot be used",
    "401": "no token, or one that is unknown, revoked or over",
    "403": "the role does not allow it",
    "404": "there is no such thing, or the caller has no role in the project",
    "default": "any other error: 409 somebody was first, 413 too large, 422 the gate refused, 429 too many wrong "
    "tokens, 503 something outside does not answer",
}


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every error."""

    error: Problem


class Document(JsonRenderPlugin):
    """Renders the document; made when it is first asked for."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        """The document as JSON."""
        return msgspec.json.encode(described(openapi_schema))


def operation_id(handler: Any, method: Any, path: Any) -> str:  # noqa: ARG001 - what the framework hands over
    """An operation is named as its handler; the routes of objects are there twice."""
    twice = ARRIVALS in str(path) and handler.handler_name not in ("take_in_project", "count_elsewhere")
    return f"{_ARRIVING}{handler.handler_name}" if twice else str(handler.handler_name)


def described(document: dict[str, Any]) -> dict[str, Any]:
    """The document of the framework, with what it cannot know."""
    answers = _packed_answers()
    kinds = [Wrong, *PACKED_BODIES.values(), *answers.values()]
    schemas, components = msgspec.json.schema_components(
        kinds, schema_hook=lambda _: {"description": "any value"}, ref_template="#/components/schemas/{name}"
    )
    of = dict(zip(map(str, kinds), schemas, strict=True))
    held = document.setdefault("components", {})
    held["schemas"] = {**held.get("schemas", {}), **components}
    held["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    wrong = {"application/json": {"schema": of[str(Wrong)]}}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method not in _METHODS:
                continue
            _say_bodies(operation, of, answers)
            if path.startswith(API):
                operation["security"] = [{"token": []}]
                operation["responses"] |= {
                    code: {"description": says, "content": wrong} for code, says in _WHAT.items()
                }
    return document


def _packed_answers() -> dict[str, Any]:
    """What is answered in MessagePack. Some of it takes a tenth of a start to load."""
    from clew.loop.impact import Impact
    from clew.loop.why import Why

    return {
        "why_prediction": Why,
        "impact_of": Impact,
        "get_blocks": list[SeriesBlock],
        "get_summaries": list[Series],
        "find_steps": list[StepEntry],
        "judge_version": GateReport,
        "search_runs": Page[FoundRun],
    }


def _say_bodies(operation: dict[str, Any], of: Mapping[str, object], answers: Mapping[str, object]) -> None:
    name = operation["operationId"].removeprefix(_ARRIVING)
    if name in PACKED_BODIES:
        content = {MESSAGEPACK: {"schema": of[str(PACKED_BODIES[name])]}}
        operation["requestBody"] = {"content": content, "required": True}
    if name in BINARY_BODIES:
        content = {BYTES: {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"content": content, "required": True}
    if name in answers:
        operation["responses"]["200"]["content"] = {MESSAGEPACK: {"schema": of[str(answers[name])]}}
