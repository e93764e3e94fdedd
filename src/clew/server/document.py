"""The OpenAPI document of the server, complete enough for a typed client, and the page of the reference made from it.

The framework knows paths, queries and JSON. What it cannot know is said here: bodies and answers in MessagePack, the
one form of errors, tokens.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Litestar, Request
from litestar.openapi.plugins import JsonRenderPlugin

from clew.core.judging import FoundRun
from clew.core.paging import Page
from clew.core.problem import Problem
from clew.core.types.gate import GateReport
from clew.core.types.series import Series, SeriesBlock
from clew.core.types.step import StepEntry
from clew.loop.impact import Impact
from clew.loop.why import Why
from clew.server.models import Wish
from clew.server.request import MESSAGEPACK
from clew.server.steps import Done

__all__ = ["Document", "render_reference"]

BYTES = "application/octet-stream"
PACKED_BODIES: dict[str, Any] = {
    "append_blocks": list[SeriesBlock],
    "put_steps": Done,
    "put_objects": list[bytes],
    "judge_version": Wish,
    "promote_version": Wish,
}
PACKED_ANSWERS: dict[str, Any] = {
    "why_prediction": Why,
    "impact_of": Impact,
    "get_blocks": list[SeriesBlock],
    "get_summaries": list[Series],
    "find_steps": list[StepEntry],
    "judge_version": GateReport,
    "search_runs": Page[FoundRun],
}
BINARY_BODIES = {"put_object", "append_upload"}
_ARRIVALS, _ARRIVING = "arrivals", "arriving_"
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
    twice = _ARRIVALS in str(path) and handler.handler_name != "take_in_project"
    return f"{_ARRIVING}{handler.handler_name}" if twice else str(handler.handler_name)


def described(document: dict[str, Any]) -> dict[str, Any]:
    """The document of the framework, with what it cannot know."""
    kinds = [Wrong, *PACKED_BODIES.values(), *PACKED_ANSWERS.values()]
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
            name = operation["operationId"].removeprefix(_ARRIVING)
            if name in PACKED_BODIES:
                content = {MESSAGEPACK: {"schema": of[str(PACKED_BODIES[name])]}}
                operation["requestBody"] = {"content": content, "required": True}
            if name in BINARY_BODIES:
                content = {BYTES: {"schema": {"type": "string", "format": "binary"}}}
                operation["requestBody"] = {"content": content, "required": True}
            if name in PACKED_ANSWERS:
                operation["responses"]["200"]["content"] = {MESSAGEPACK: {"schema": of[str(PACKED_ANSWERS[name])]}}
            if path.startswith("/api/v1"):
                operation["security"] = [{"token": []}]
                operation["responses"] |= {
                    code: {"description": says, "content": wrong} for code, says in _WHAT.items()
                }
    return document


def render_reference(app: Litestar) -> str:
    """The page of the reference about the routes of a server, as Markdown."""
    lines = [_OPENING]
    groups: dict[str, list[str]] = {}
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if handler.handler_name == "options_handler" or not route.path.startswith("/api/v1"):
                continue
            tag = next(iter(sorted(handler.resolve_tags() if hasattr(handler, "resolve_tags") else [])), "")
            action = "" if _ARRIVALS in route.path else handler.opt.get("action")
            action = action or ("any token" if handler.opt.get("anybody") else "runs the server")
            function = getattr(handler.fn, "func", handler.fn)
            says = " ".join((function.__doc__ or "").split("\n\n")[0].split())
            path = route.path.replace(":str", "").removeprefix("/api/v1")
            method = sorted(handler.http_methods)[0]
            groups.setdefault(tag, []).append(f"| `{method} {path}` | {action} | {says} |")
    for tag in sorted(groups):
        lines += [
            f"## {tag or 'others'}",
            "",
            "| request | needs | what it does |",
            "|---|---|---|",
            *sorted(groups[tag]),
            "",
        ]
    return "\n".join(lines)


_OPENING = """\
# HTTP of a server

`clew server` answers here, below `/api/v1`. `GET /api/openapi.json` is the same for machines, with every field.
`GET /health` and `GET /version` need no token; [`GET /metrics`](metrics.md#of-a-server) needs any.

- A request shows its token as `Authorization: Bearer TOKEN`, or as the password of `Basic`. There are no cookies, and
  so nothing that another site could make a browser send; pages of other sites are not let in (no CORS headers).
- Bodies are JSON, or MessagePack (`application/vnd.msgpack`) where the document says so: points, evidence, steps, many
  small objects. Numbers that are none (NaN, infinite) exist only in MessagePack.
- `Content-Encoding` and `Accept-Encoding` may be `zstd` or `gzip`. A body may hold 10 MiB unpacked, points, steps and
  evidence 64 MiB; objects have no limit.
- Every answer has `X-Request-Id`, the caller's own if it sent one. `ETag` and `If-None-Match` save what is known.
- Errors have one form: `{"error": {"code": "not_found", "message": "…", "hint": "…"}}`. 400 what was sent cannot be
  used, 401 no valid token, 403 the role does not allow it, 404 not there (or no role in the project), 409 somebody
  was first, 413 too large, 415 unknown encoding, 416 no such range, 422 the gate refused, 429 too many wrong tokens,
  500 a defect, 501 a library is missing, 503 a disk or database does not answer.
- *needs* is what the caller's [role](../how-to/server.md#let-people-in) must allow: `read` viewer, `write` contributor,
  `manage` maintainer, `administer` admin.
- Streams are server-sent events: `id` is the position in the chain of events, and `Last-Event-ID` goes on behind it.
"""
