"""Who is behind an event, told from the frames on the stack."""

from __future__ import annotations

import sys
from types import FrameType

from clew.pipelines.closure.origin import Origin, file_origin, globals_origin

__all__ = ["asker", "by_library", "by_machinery", "caller", "is_clew", "is_first_party", "is_importing"]

_HOOKS = frozenset(f"clew.pipelines.{name}" for name in ("environment", "frames", "hooks", "observer", "wrappers")) | {
    "contextlib"
}
_MACHINERY = frozenset(
    {
        "importlib._bootstrap",
        "importlib._bootstrap_external",
        "importlib.metadata",
        "inspect",
        "linecache",
        "pkgutil",
        "runpy",
        "tokenize",
        "zipimport",
    }
)


def caller() -> FrameType | None:
    """The frame that caused an event."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") in _HOOKS:
        frame = frame.f_back
    return frame


def asker(frame: FrameType | None) -> FrameType | None:
    """The nearest frame outside of the standard library."""
    while frame is not None and file_origin(frame.f_code.co_filename) is Origin.PYTHON:
        frame = frame.f_back
    return frame


def by_library() -> bool:
    """Whether a library, and not the project's own code, is behind an event."""
    found = asker(caller())
    return found is not None and file_origin(found.f_code.co_filename) is Origin.LIBRARY


def by_machinery() -> bool:
    """Whether Python itself looks, to import something or to show its lines."""
    frame = caller()
    return frame is not None and frame.f_globals.get("__name__") in _MACHINERY


def is_clew(frame: FrameType | None) -> bool:
    """Whether clew does something of its own: keeps a journal, reads a dataset whose content is known."""
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("clew."):
            return globals_origin(frame.f_globals) is Origin.CLEW
        if file_origin(frame.f_code.co_filename) is Origin.FIRST_PARTY:
            return False
        frame = frame.f_back
    return False


def is_importing(frame: FrameType | None) -> bool:
    """Whether a library is being imported: how it sets itself up is its own business, as when it was there before."""
    while frame is not None:
        origin = file_origin(frame.f_code.co_filename)
        if origin is Origin.FIRST_PARTY:
            return False
        if origin is Origin.LIBRARY and frame.f_code.co_name == "<module>":
            return True
        frame = frame.f_back
    return False


def is_first_party(frame: FrameType | None) -> bool:
    """Whether the nearest code outside of the standard library is the project's."""
    found = asker(frame)
    return found is not None and file_origin(found.f_code.co_filename) is Origin.FIRST_PARTY
