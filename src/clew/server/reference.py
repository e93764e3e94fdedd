"""The page of the reference about the routes of a server."""

from __future__ import annotations

from typing import Any

from litestar import Litestar

from clew.server.document import API, ARRIVALS

__all__ = ["render_reference"]

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


def render_reference(app: Litestar) -> str:
    """The page, as Markdown: routes by tag, with what they need and do."""
    groups: dict[str, list[str]] = {}
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if handler.handler_name != "options_handler" and route.path.startswith(API):
                tag = min(handler.resolve_tags(), default="others")
                groups.setdefault(tag, []).append(_row(route.path, handler))
    lines = [_OPENING]
    for tag in sorted(groups):
        lines += [f"## {tag}", "", "| request | needs | what it does |", "|---|---|---|", *sorted(groups[tag]), ""]
    return "\n".join(lines)


def _row(path: str, handler: Any) -> str:
    action = "" if ARRIVALS in path else handler.opt.get("action")
    action = action or ("any token" if handler.opt.get("anybody") else "runs the server")
    says = " ".join((getattr(handler.fn, "func", handler.fn).__doc__ or "").split("\n\n")[0].split())
    method = min(handler.http_methods)
    return f"| `{method} {path.replace(':str', '').removeprefix(API)}` | {action} | {says} |"
