"""The door for errors over HTTP: one table from the classes of `clew.core.errors` to statuses, and one form of body."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from clew.core import errors
from clew.core.problem import Problem, problem_of

__all__ = ["STATUSES", "answer_defect", "answer_error", "answer_http", "answer_overflow", "status_of"]

STATUSES: dict[type[errors.ClewError], int] = {
    errors.Invalid: 400,
    errors.NotFound: 404,
    errors.Exists: 409,
    errors.Conflict: 409,
    errors.Denied: 403,
    errors.GateRefused: 422,
    errors.Corrupt: 500,
    errors.Unavailable: 503,
    errors.MissingExtra: 501,
    errors.Failed: 500,
    errors.ClewError: 500,
}
"""The nearest class above an error counts."""

_CODES = {400: "invalid", 401: "denied", 403: "denied", 404: "not_found", 405: "invalid", 413: "invalid"}
_log = logging.getLogger(__name__)
_encode = msgspec.json.encode


def status_of(error: errors.ClewError) -> int:
    """The status of an error: that of the nearest class above it in the table."""
    return next(STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES)


def answer_error(_: Request[Any, Any, Any], error: errors.ClewError) -> Response[bytes]:
    """An error of clew."""
    return _answer(problem_of(error), status_of(error))


def answer_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What the framework refuses: an unknown path, a body that is no JSON, a field that is missing."""
    said = "; ".join(f"{each.get('key', 'body')}: {each.get('message', '')}" for each in _details(error))
    problem = Problem(code=_CODES.get(error.status_code, "invalid"), message=said or error.detail)
    return _answer(problem, error.status_code, headers=dict(error.headers or {}))


def answer_overflow(_: Request[Any, Any, Any], error: OverflowError) -> Response[bytes]:  # noqa: ARG001
    """A number that no database has room for."""
    return _answer(Problem(code="invalid", message="a number in the request is beyond 64 bits"), 400)


def answer_defect(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A defect of clew: the log has the traceback, the caller none."""
    _log.error("defect at %s %s", request.method, request.url.path, exc_info=error)
    return _answer(Problem(code="defect", message="this is a defect of the server; its log says more"), 500)


def _details(error: HTTPException) -> list[dict[str, Any]]:
    return [each for each in error.extra if isinstance(each, dict)] if isinstance(error.extra, list) else []


def _answer(problem: Problem, status: int, headers: dict[str, str] | None = None) -> Response[bytes]:
    body = _encode({"error": problem})
    return Response(body, status_code=status, media_type="application/json", headers=headers)
