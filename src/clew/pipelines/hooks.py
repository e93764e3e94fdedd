"""How a step is watched: an audit hook of Python, and wrappers where Python tells nothing.

The audit hook hears of files opened, folders listed, programs started and hosts connected to. Environment variables,
questions such as `os.path.exists`, paths handed to native code, and the paths that polars reads are told by wrappers
around the functions that everybody calls; they are put in place once, when the first step runs, and do nothing while
none does.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import PurePath
from types import FrameType
from typing import Any, Protocol

from clew.pipelines.closure.origin import Origin, file_origin

__all__ = ["Observer", "disown", "unwatched", "watching"]


class Observer(Protocol):
    """Who is told."""

    def opens(self, path: str, *, writes: bool = False, keeps: bool = True) -> None:
        """A file is about to be opened.

        Args:
            path: as the code gave it.
            writes: for writing.
            keeps: what is in it stays until it is written over.
        """
        ...

    def names(self, path: str) -> None:
        """A file or folder is named where native code may read or write it unseen."""
        ...

    def names_all(self, pattern: str) -> None:
        """All files that a pattern matches are about to be read."""
        ...

    def lists(self, path: str) -> None:
        """A folder is about to be listed."""
        ...

    def asks_for(self, path: str) -> None:
        """Whether there is a file or a folder is about to be asked."""
        ...

    def removes(self, path: str) -> None:
        """A file is about to be removed."""
        ...

    def reads_variable(self, name: str) -> None:
        """An environment variable is read."""
        ...

    def goes_through(self, door: str, what: str) -> None:
        """Something outside is asked, whose answer cannot be known."""
        ...


_MACHINERY = frozenset(
    {
        "importlib._bootstrap",
        "importlib._bootstrap_external",
        "inspect",
        "linecache",
        "pkgutil",
        "runpy",
        "tokenize",
        "zipimport",
    }
)
_CODE = (".py", ".pyc", *EXTENSION_SUFFIXES)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_observers: tuple[Observer, ...] = ()
_ours: set[int] = set()
_lock = threading.Lock()
_installed = False


def watching(observer: Observer, *, begin: bool) -> None:
    """Begin or end telling somebody."""
    global _observers
    with _lock:
        _install()
        others = tuple(each for each in _observers if each is not observer)
        _observers = (*others, observer) if begin else others


def disown() -> None:
    """What this thread does from now on is clew's own, and no step's."""
    _ours.add(threading.get_ident())


@contextmanager
def unwatched() -> Iterator[None]:
    """What this thread does within the block is clew's own, and no step's."""
    me = threading.get_ident()
    nested = me in _ours
    _ours.add(me)
    try:
        yield
    finally:
        if not nested:
            _ours.discard(me)


def _told() -> tuple[Observer, ...]:
    """Who is to be told of what this thread does."""
    return () if not _observers or threading.get_ident() in _ours else _observers


def _install() -> None:
    """Put the hooks in place, once in the life of a process: an audit hook cannot be taken out."""
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_hook)
        _wrap_environment()
        _wrap_questions()
        _wrap_paths()
    _wrap_polars()


# Audit events.


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _observers and event in _EVENTS:
        for observer in _told():
            with unwatched():
                _EVENTS[event](observer, args)


def _on_open(observer: Observer, args: tuple[Any, ...]) -> None:
    path, mode, flags = args
    name = _text(path)
    if name is None or (name.endswith(_CODE) and _by_machinery()):
        return
    bits = flags if isinstance(flags, int) else 0
    writes = bool(bits & _WRITING) or (isinstance(mode, str) and mode[:1] in ("w", "a", "x"))
    observer.opens(name, writes=writes, keeps=not bits & (os.O_TRUNC | os.O_EXCL))


def _on_list(observer: Observer, args: tuple[Any, ...]) -> None:
    name = _text(args[0] if args and args[0] is not None else ".")
    if name is not None and not _by_machinery():
        observer.lists(name)


def _on_rename(observer: Observer, args: tuple[Any, ...]) -> None:
    source, target = _text(args[0]), _text(args[1])
    if source is not None and target is not None:
        observer.removes(source)
        observer.opens(target, writes=True, keeps=False)


def _on_remove(observer: Observer, args: tuple[Any, ...]) -> None:
    name = _text(args[0])
    if name is not None:
        observer.removes(name)


def _on_sqlite(observer: Observer, args: tuple[Any, ...]) -> None:
    name = _text(args[0])
    if name and name != ":memory:" and not name.startswith("file:"):
        observer.opens(name)
        observer.opens(f"{name}-wal")


def _on_connect(observer: Observer, args: tuple[Any, ...]) -> None:
    address = args[1] if len(args) > 1 else None
    if isinstance(address, tuple) and len(address) >= 2:
        observer.goes_through("network", f"connects to {address[0]}:{address[1]}, whose answer cannot be known")


def _on_program(observer: Observer, args: tuple[Any, ...]) -> None:
    if _is_first_party(_caller()):
        what = _text(args[0]) if args else None
        observer.goes_through("programs", f"starts {what or 'a program'}, whose answer cannot be known")


_EVENTS = {
    "open": _on_open,
    "os.listdir": _on_list,
    "os.scandir": _on_list,
    "os.rename": _on_rename,
    "os.remove": _on_remove,
    "sqlite3.connect": _on_sqlite,
    "socket.connect": _on_connect,
    "subprocess.Popen": _on_program,
    "os.system": _on_program,
    "os.exec": _on_program,
    "os.posix_spawn": _on_program,
}


def _text(path: object) -> str | None:
    """A path as text; None for an open file's number."""
    try:
        return os.fsdecode(path)  # type: ignore[arg-type]
    except TypeError:
        return None


def _caller() -> FrameType | None:
    """The frame that caused an event."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") in (__name__, "contextlib"):
        frame = frame.f_back
    return frame


def _by_machinery() -> bool:
    """Whether Python itself looks, to import something or to show its lines."""
    frame = _caller()
    return frame is not None and frame.f_globals.get("__name__") in _MACHINERY


def _is_first_party(frame: FrameType | None) -> bool:
    """Whether the nearest code outside of the standard library is the project's."""
    while frame is not None:
        origin = file_origin(frame.f_code.co_filename)
        if origin is not Origin.PYTHON:
            return origin is Origin.FIRST_PARTY
        frame = frame.f_back
    return False


# Wrappers.


def _wrap_environment() -> None:
    """Have every reading of an environment variable seen; a copy that a library takes of all of them is not."""
    kind: Any = type(os.environ)
    read, copy = kind.__getitem__, kind.copy

    def getitem(self: Any, key: Any) -> Any:
        for observer in _told():
            if isinstance(key, (str, bytes)):
                observer.reads_variable(os.fsdecode(key))
        return read(self, key)

    def copied(self: Any) -> Any:
        if _told() and not _is_first_party(sys._getframe(1)):
            with unwatched():
                return copy(self)
        return copy(self)

    kind.__getitem__, kind.copy = getitem, copied


def _wrap_questions() -> None:
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
        observers = _told()
        if observers and not _by_machinery():
            with unwatched():
                name = _text(path)
                whole = _wants_more(sys._getframe(1))
                for observer in observers if name is not None else ():
                    (observer.names if whole else observer.asks_for)(name)  # type: ignore[arg-type]
        return original(path, *args, **options)

    ask.__name__, ask.__qualname__, ask.__doc__ = original.__name__, original.__name__, original.__doc__
    return ask


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


def _wrap_paths() -> None:
    """Have the files seen whose `pathlib` path is turned into text, which is what native code takes."""
    kind: Any = PurePath
    for name in ("__fspath__", "__str__"):
        setattr(kind, name, _naming(kind.__dict__[name]))


def _naming(original: Any) -> Any:
    def named(self: Any) -> Any:
        text = original(self)
        observers = _told()
        if observers and not _by_machinery():
            with unwatched():
                for observer in observers if os.path.isfile(text) else ():  # noqa: PTH113
                    observer.names(text)
        return text

    named.__name__, named.__qualname__, named.__doc__ = original.__name__, original.__qualname__, original.__doc__
    return named


def _wrap_polars() -> None:
    """Have the paths seen that polars is about to read: its modules call one function with each of them."""
    various = sys.modules.get("polars._utils.various")
    original: Any = getattr(various, "normalize_filepath", None)
    if original is None or hasattr(original, "__clew_original__"):
        return

    def normalize_filepath(path: object, **options: bool) -> object:
        with unwatched():
            found = original(path, **options)
        for observer in _told():
            _tell_native(observer, str(found))
        return found

    normalize_filepath.__clew_original__ = original  # type: ignore[attr-defined]
    for name, module in list(sys.modules.items()):
        if name.startswith("polars.") and getattr(module, "normalize_filepath", None) is original:
            module.normalize_filepath = normalize_filepath  # type: ignore[attr-defined]


def _tell_native(observer: Observer, path: str) -> None:
    if "://" in path and not path.startswith("file://"):
        observer.goes_through("network", f"reads {path}, which may change unseen")
        return
    path = path.removeprefix("file://")
    with unwatched():
        pattern = any(sign in path for sign in "*?[") and not os.path.exists(path)  # noqa: PTH110
        (observer.names_all if pattern else observer.names)(path)
