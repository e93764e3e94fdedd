"""Wrappers around the functions that everybody calls, where Python's audit events tell nothing.

Questions such as `os.path.exists`, `pathlib` paths that are turned into text for native code, and the paths that polars
reads (environment variables: `environment.py`). They are put in place once and pass everything through; while no step
runs they do nothing else.
"""

from __future__ import annotations

import os
import sys
from pathlib import PurePath
from types import FrameType
from typing import Any

from clew.pipelines.closure.origin import Origin, file_origin
from clew.pipelines.frames import by_library, by_machinery
from clew.pipelines.observer import Observer, path_text, told, unwatched

__all__ = ["wrap_paths", "wrap_polars", "wrap_questions"]


def wrap_questions() -> None:
    """Have it seen when code asks whether a file is there, which `exists`, `is_file` and their like do by `stat`."""
    for name in ("stat", "lstat", "access"):
        original = getattr(os, name)
        wrapped = _asking(original)
        for known in (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks):
            if original in known:
                known.add(wrapped)
        setattr(os, name, wrapped)


def _asking(original: Any) -> Any:
    def ask(path: Any, *args: Any, **options: Any) -> Any:
        observers = told()
        if observers and not by_machinery():
            with unwatched():
                name = path_text(path)
                _tell_question(observers, name, sys._getframe(1))
        return original(path, *args, **options)

    ask.__name__, ask.__qualname__, ask.__doc__ = original.__name__, original.__name__, original.__doc__
    return ask


def _tell_question(observers: tuple[Observer, ...], name: str | None, frame: FrameType) -> None:
    if name is None:
        return
    library, whole = by_library(), _wants_more(frame)
    for observer in observers:
        if whole and not library:
            observer.names(name)
        else:
            observer.asks_for(name, by_library=library)


def _wants_more(frame: FrameType | None) -> bool:
    """Whether the size or time of a file is asked for, and not only whether it is there."""
    if frame is None:
        return False
    module, function = str(frame.f_globals.get("__name__")), frame.f_code.co_name
    if module == "genericpath":
        return function.startswith("get")
    if module.partition(".")[0] == "pathlib" and function == "stat" and frame.f_back is not None:
        return str(frame.f_back.f_globals.get("__name__")).partition(".")[0] != "pathlib"
    return file_origin(frame.f_code.co_filename) is not Origin.PYTHON


def wrap_paths() -> None:
    """Have the files seen whose `pathlib` path is turned into text, which is what native code takes."""
    kind: Any = PurePath
    for name in ("__fspath__", "__str__"):
        setattr(kind, name, _naming(kind.__dict__[name]))


def _naming(original: Any) -> Any:
    def named(self: Any) -> Any:
        text = original(self)
        observers = told()
        if observers and not by_machinery():
            with unwatched():
                for observer in observers if os.path.isfile(text) else ():  # noqa: PTH113
                    observer.names(text)
        return text

    named.__name__, named.__qualname__, named.__doc__ = original.__name__, original.__qualname__, original.__doc__
    return named


def wrap_polars() -> None:
    """Have the paths seen that polars is about to read: its modules call one function with each of them."""
    various = sys.modules.get("polars._utils.various")
    original: Any = getattr(various, "normalize_filepath", None)
    if original is None or hasattr(original, "__clew_original__"):
        return

    def normalize_filepath(path: object, **options: bool) -> object:
        with unwatched():
            found = original(path, **options)
        for observer in told():
            _tell_native(observer, str(found))
        return found

    normalize_filepath.__clew_original__ = original  # type: ignore[attr-defined]  # a mark on a function
    for name, module in list(sys.modules.items()):
        if name.startswith("polars.") and getattr(module, "normalize_filepath", None) is original:
            module.normalize_filepath = normalize_filepath  # type: ignore[attr-defined]  # as `original` was


def _tell_native(observer: Observer, path: str) -> None:
    if "://" in path and not path.startswith("file://"):
        observer.goes_through("network", f"reads {path}, which may change unseen")
        return
    path = path.removeprefix("file://")
    with unwatched():
        pattern = any(sign in path for sign in "*?[") and not os.path.exists(path)  # noqa: PTH110
        (observer.names_all if pattern else observer.names)(path)
