"""Errors as MLflow's clients read them: one table from codes to statuses, and from errors of clew to codes."""

from __future__ import annotations

import logging

import msgspec

from clew.core import errors

__all__ = ["STATUSES", "Refusal", "answer_of", "invalid", "missing"]

STATUSES = {
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "UNAUTHENTICATED": 401,
    "CUSTOMER_UNAUTHORIZED": 401,
    "PERMISSION_DENIED": 403,
    "ENDPOINT_NOT_FOUND": 404,
    "NOT_FOUND": 404,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_CONFLICT": 409,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL_ERROR": 500,
    "INVALID_STATE": 500,
    "DATA_LOSS": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
}

_CODES: dict[type[errors.ClewError], str] = {
    errors.Invalid: "INVALID_PARAMETER_VALUE",
    errors.NotFound: "RESOURCE_DOES_NOT_EXIST",
    errors.Exists: "RESOURCE_ALREADY_EXISTS",
    errors.Conflict: "RESOURCE_CONFLICT",
    errors.Denied: "PERMISSION_DENIED",
    errors.GateRefused: "PERMISSION_DENIED",
    errors.Corrupt: "DATA_LOSS",
    errors.Unavailable: "TEMPORARILY_UNAVAILABLE",
    errors.MissingExtra: "NOT_IMPLEMENTED",
    errors.ClewError: "INTERNAL_ERROR",
}
"""The nearest class above an error counts."""

_log = logging.getLogger(__name__)


class Refusal(Exception):
    """A request that gets an error: a code of `STATUSES`, and a message that clients show, and some of them match."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)


def invalid(message: str) -> Refusal:
    """What the caller gave cannot be used."""
    return Refusal("INVALID_PARAMETER_VALUE", message)


def missing(message: str) -> Refusal:
    """What was named is not there."""
    return Refusal("RESOURCE_DOES_NOT_EXIST", message)


def answer_of(error: Exception, what: str) -> tuple[int, bytes]:
    """The status and the body of an error.

    Args:
        error: what was raised.
        what: method and path, for the log.
    """
    if isinstance(error, Refusal):
        code, message = error.code, error.message
    elif isinstance(error, errors.ClewError):
        code = next(_CODES[cls] for cls in type(error).__mro__ if cls in _CODES)
        message = f"{error.what} ({error.hint})" if error.hint else error.what
    else:
        _log.error("defect at %s", what, exc_info=error)
        code, message = "INTERNAL_ERROR", "this is a defect of the server; its log says more"
    told = message.encode("utf-8", "backslashreplace").decode()  # it may quote half a character of the caller's
    return STATUSES[code], msgspec.json.encode({"error_code": code, "message": told})
