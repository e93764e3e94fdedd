"""What goes back for one request, and errors as such."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["Answer", "error_answer", "json_answer"]

_JSON = b"application/json"


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What goes back; `about` is what its maker wants to have again once it has gone out."""

    body: bytes
    status: int = 200
    content_type: bytes = _JSON
    about: Any = None


def json_answer(value: object) -> Answer:
    """A value as JSON."""
    return Answer(msgspec.json.encode(value))


def error_answer(status: int, text: str, *, code: str, hint: str = "") -> Answer:
    """The Open Inference Protocol wants `error` as a text; code and hint stand beside it."""
    return Answer(msgspec.json.encode({"error": text, "code": code, "hint": hint}), status=status)
