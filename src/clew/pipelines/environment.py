"""Environment variables, seen as they are read and set.

What a library reads to find its way about (`PATH`, `HOME`, where scratch files go), to count threads (a run records
them), or while it is imported, and a copy that it takes of all variables to start a process with, are no inputs of a
result. Whatever the project's own code reads is one.
"""

from __future__ import annotations

import os
import sys
import threading
from types import FrameType
from typing import Any

from clew.pipelines.closure.origin import Origin, file_origin
from clew.pipelines.frames import asker, is_importing
from clew.pipelines.observer import told

__all__ = ["wrap_environment"]

_ABOUT = frozenset(
    [
        "COLUMNS",
        "HOME",
        "LINES",
        "LOGNAME",
        "PATH",
        "PWD",
        "SHELL",
        "TEMP",
        "TERM",
        "TMP",
        "TMPDIR",
        "USER",
        "USERNAME",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_RUNTIME_DIR",
    ]
)
_copying = threading.local()


def wrap_environment() -> None:
    """Have every reading and setting of an environment variable seen."""
    kind: Any = type(os.environ)
    read, iterate, write, remove = kind.__getitem__, kind.__iter__, kind.__setitem__, kind.__delitem__

    def getitem(self: Any, key: Any) -> Any:
        observers = told() if isinstance(key, (str, bytes)) else ()
        if observers and not _is_quiet(sys._getframe(1), name := os.fsdecode(key)):
            for observer in observers:
                observer.reads_variable(name, _value(name))
        return read(self, key)

    def iterated(self: Any) -> Any:
        if told():
            frame = asker(sys._getframe(1))
            _copying.at = None if frame is None else (id(frame), frame.f_lasti)
        return iterate(self)

    def setitem(self: Any, key: Any, value: Any) -> None:
        _tell_set(key)
        write(self, key, value)

    def delitem(self: Any, key: Any) -> None:
        _tell_set(key)
        remove(self, key)

    kind.__getitem__, kind.__iter__, kind.__setitem__, kind.__delitem__ = getitem, iterated, setitem, delitem
    _value.read = lambda name: read(os.environ, name)  # type: ignore[attr-defined]  # kept on the function that uses it


def _value(name: str) -> str | None:
    """What a variable holds, unseen."""
    try:
        return str(_value.read(name))  # type: ignore[attr-defined]  # since `wrap_environment`
    except KeyError:
        return None


def _tell_set(key: object) -> None:
    if isinstance(key, (str, bytes)):
        for observer in told():
            observer.sets_variable(os.fsdecode(key))


def _is_quiet(frame: FrameType, name: str) -> bool:
    """Whether a variable is read that no result depends on."""
    if _for_scratch(frame):
        return True
    found = asker(frame)
    if found is None or file_origin(found.f_code.co_filename) is not Origin.LIBRARY:
        return False
    copying = getattr(_copying, "at", None) == (id(found), found.f_lasti)
    walking = frame.f_code.co_name == "__iter__" and frame.f_globals.get("__name__") == "collections.abc"
    plumbing = name in _ABOUT or name.endswith(("_THREADS", "_CPU_COUNT"))
    return plumbing or copying or walking or is_importing(found)


def _for_scratch(frame: FrameType | None) -> bool:
    """Whether `tempfile` asks, on somebody's behalf."""
    while frame is not None and file_origin(frame.f_code.co_filename) is Origin.PYTHON:
        if frame.f_globals.get("__name__") == "tempfile":
            return True
        frame = frame.f_back
    return False
