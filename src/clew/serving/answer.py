"""What goes back for one request, and errors as such."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["Answer", "error_answer", "json_answer", "shown"]

_JSON = b"application/json"
_MOST_SHOWN = 1000


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What goes back; `about` is what its maker wants to have again once it has gone out.

    `allow` names the methods that a path takes, when another came.
    """

    body: bytes
    status: int = 200
    content_type: bytes = _JSON
    about: Any = None
    allow: bytes = b""


def json_answer(value: object) -> Answer:
    """A value as JSON."""
    return Answer(msgspec.json.encode(value))


def error_answer(status: int, text: str, *, code: str, hint: str = "") -> Answer:
    """The Open Inference Protocol wants `error` as a text; code and hint stand beside it."""
    return Answer(msgspec.json.encode({"error": shown(text), "code": code, "hint": shown(hint)}), status=status)


def shown(text: str) -> str:
    """A text of an error, which repeats what came: up to a length, and with escapes where that was no text."""
    cut = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
    return cut.encode(errors="backslashreplace").decode()
