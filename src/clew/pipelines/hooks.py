"""How a step is watched: an audit hook of Python, and wrappers where Python tells nothing (`wrappers.py`).

The audit hook hears of files opened, folders listed, programs started and hosts connected to. It is put in place once,
when the first step runs, because it cannot be taken out; it does nothing while no step runs.
"""

from __future__ import annotations

import os
import sys
import threading
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Any

from clew.pipelines.environment import wrap_environment
from clew.pipelines.frames import by_library, by_machinery, caller, is_first_party
from clew.pipelines.observer import Observer, begin, end, path_text, told, unwatched
from clew.pipelines.wrappers import wrap_paths, wrap_polars, wrap_questions

__all__ = ["watching"]

_CODE = (".py", ".pyc", *EXTENSION_SUFFIXES)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_lock = threading.Lock()
_installed = False


def watching(observer: Observer, *, on: bool) -> None:
    """Begin or end telling somebody."""
    if not on:
        end(observer)
        return
    with _lock:
        _install()
    begin(observer)


def _install() -> None:
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_hook)
        wrap_environment()
        wrap_questions()
        wrap_paths()
    wrap_polars()


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event in _EVENTS:
        for observer in told():
            with unwatched():
                _EVENTS[event](observer, args)


def _on_open(observer: Observer, args: tuple[Any, ...]) -> None:
    path, mode, flags = args
    name = path_text(path)
    if name is None or (name.endswith(_CODE) and by_machinery()):
        return
    bits = flags if isinstance(flags, int) else 0
    writes = bool(bits & _WRITING) or (isinstance(mode, str) and mode[:1] in ("w", "a", "x"))
    observer.opens(name, writes=writes, keeps=not bits & (os.O_TRUNC | os.O_EXCL))


def _on_list(observer: Observer, args: tuple[Any, ...]) -> None:
    name = path_text(args[0] if args and args[0] is not None else ".")
    if name is not None and not by_machinery():
        observer.lists(name, by_library=by_library())


def _on_rename(observer: Observer, args: tuple[Any, ...]) -> None:
    source, target = path_text(args[0]), path_text(args[1])
    if source is not None and target is not None:
        observer.removes(source)
        observer.opens(target, writes=True, keeps=False)


def _on_remove(observer: Observer, args: tuple[Any, ...]) -> None:
    name = path_text(args[0])
    if name is not None:
        observer.removes(name)


def _on_sqlite(observer: Observer, args: tuple[Any, ...]) -> None:
    name = path_text(args[0])
    if name and name != ":memory:" and not name.startswith("file:"):
        observer.opens(name)
        observer.opens(f"{name}-wal")


def _on_connect(observer: Observer, args: tuple[Any, ...]) -> None:
    address = args[1] if len(args) > 1 else None
    if isinstance(address, tuple) and len(address) >= 2:
        observer.goes_through("network", f"connects to {address[0]}:{address[1]}, whose answer cannot be known")


def _on_find_class(observer: Observer, args: tuple[Any, ...]) -> None:
    observer.loads(str(args[0]), str(args[1]))


def _on_import(observer: Observer, args: tuple[Any, ...]) -> None:
    observer.imports(str(args[0]))


def _on_program(observer: Observer, args: tuple[Any, ...]) -> None:
    if is_first_party(caller()):
        what = path_text(args[0]) if args else None
        observer.goes_through("programs", f"starts {what or 'a program'}, whose answer cannot be known")


_EVENTS = {
    "open": _on_open,
    "os.listdir": _on_list,
    "os.scandir": _on_list,
    "os.rename": _on_rename,
    "os.remove": _on_remove,
    "pickle.find_class": _on_find_class,
    "import": _on_import,
    "sqlite3.connect": _on_sqlite,
    "socket.connect": _on_connect,
    "subprocess.Popen": _on_program,
    "os.system": _on_program,
    "os.exec": _on_program,
    "os.posix_spawn": _on_program,
}
