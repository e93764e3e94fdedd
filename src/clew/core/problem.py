"""Errors on their way through HTTP: the body that a server sends, and the error that a client raises from it."""

from __future__ import annotations

import msgspec

from clew.core import errors
from clew.core.errors import ClewError, Exists, NotFound, Unreadable

__all__ = ["Problem", "error_of", "problem_of"]

_CLASSES = {
    cls.__new__(cls).code: cls
    for cls in (getattr(errors, name) for name in errors.__all__)
    if isinstance(cls, type) and issubclass(cls, ClewError)
}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong: the stable word of the error's class, one sentence, and what to do next; of a thing that is not
    there, or is there already, its kind and name; of a text that cannot be read, the character where, from 0."""

    code: str
    message: str
    hint: str = ""
    kind: str = ""
    name: str = ""
    position: int | None = None


def problem_of(error: ClewError) -> Problem:
    """What is sent of an error."""
    named = (error.kind, error.name) if isinstance(error, NotFound | Exists) else ("", "")
    position = error.position if isinstance(error, Unreadable) else None
    message = error.what
    return Problem(code=error.code, message=message, hint=error.hint, kind=named[0], name=named[1], position=position)


def error_of(problem: Problem) -> ClewError:
    """The error that was sent, of the same class; facts that only its maker knew are not there."""
    cls = _CLASSES.get(problem.code, ClewError)
    error = cls.__new__(cls)
    ClewError.__init__(error, problem.message, hint=problem.hint)
    if isinstance(error, NotFound | Exists):
        error.kind, error.name = problem.kind, problem.name
    if isinstance(error, NotFound):
        error.near = []
    if isinstance(error, Unreadable):
        error.noun, error.text, error.position = "", "", problem.position or 0
    return error
