"""What a step does beside computing, seen while it runs.

An audit hook of Python sees files being opened, folders listed, programs started and hosts connected to; wrappers see
environment variables and the paths that polars reads natively. What was only read becomes an input of the step. What
cannot be known afterwards (an answer from the network, a program's reads, a file written on the side) is a reason not
to keep the result, unless the step declares it.

Not seen: `os.stat` and `os.path.exists`, time, hardware, files that other native code opens by a path put together at
run time, and whatever child processes do.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import FrameType

from clew.pipelines.closure.origin import Origin, file_origin
from clew.pipelines.file_digests import Stamp, stamp
from clew.pipelines.reads import Read, ReadKind

__all__ = ["Watch", "disown", "unwatched"]

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
_SYSTEM = ("/dev/", "/proc/", "/sys/")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_active: list[Watch] = []
_ours: set[int] = set()
_lock = threading.Lock()
_installed = False


class Watch:
    """What happens inside of its `with` block, in every thread of the process but clew's own.

    Args:
        skipped: folders whose files do not count: the project's `.clew`.
        root: files written below this folder count as results.
        doors: `network` and `programs`, when the step declares them.
    """

    def __init__(self, *, skipped: Collection[str] = (), root: str = "", doors: Collection[str] = ()) -> None:
        self.variables: set[str] = set()
        self.listed: set[str] = set()
        self.patterns: set[str] = set()
        self.seen: dict[str, Stamp | None] = {}
        self.written: set[str] = set()
        self.mended: set[str] = set()
        self._opened: set[str] = set()
        self.reasons: list[str] = []
        self._skipped = tuple(folder.rstrip(os.sep) + os.sep for folder in skipped)
        self._root = root.rstrip(os.sep) + os.sep if root else ""
        self._doors = doors

    def __enter__(self) -> Watch:
        _install()
        with _lock:
            _active.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _active.remove(self)

    def path(self, path: str, *, writes: bool = False, keeps: bool = True) -> None:
        """A file is about to be opened.

        Args:
            path: as the code gave it.
            writes: it is opened for writing.
            keeps: what is in it stays until it is written over.
        """
        if not self._counts(path):
            return
        existed = self.seen.setdefault(path, stamp(path)) is not None
        if writes:
            if existed and (keeps or path in self._opened) and path not in self.written:
                self.mended.add(path)
            self.written.add(path)
        else:
            self._opened.add(path)

    def expect(self, path: str) -> None:
        """A file or folder is named where native code may read or write it unseen."""
        if self._counts(path):
            self.seen.setdefault(path, stamp(path))

    def folder(self, path: str) -> None:
        """A folder is about to be listed."""
        if self._counts(path):
            self.listed.add(path)

    def door(self, name: str, what: str) -> None:
        """Something outside was asked."""
        if name not in self._doors:
            self.reasons.append(f"it {what}, whose answer cannot be known; declare inputs=[{name!r}] to keep it anyway")

    def reads(self) -> list[Read]:
        """What was read and not written, in a fixed order."""
        found = [Read(ReadKind.ENVIRONMENT, name) for name in self.variables]
        found += [Read(ReadKind.FOLDER, path) for path in self.listed]
        found += [Read(ReadKind.FILES, pattern) for pattern in self.patterns]
        found += [Read(ReadKind.FILE, path) for path in self.seen if not self._changed(path)]
        return sorted(found)

    def refusals(self, returned: Collection[str]) -> list[str]:
        """Why the result cannot be kept; empty when it can.

        Args:
            returned: paths that the step gave back: what lies there comes back from the cache too.
        """
        kept = tuple(os.path.abspath(path) for path in returned)  # noqa: PTH100
        found = list(self.reasons)
        for path in sorted(path for path in self.seen if self._changed(path)):
            at = os.path.abspath(path)  # noqa: PTH100
            if path in self.mended:
                found.append(f"it changes {path}, which was there before; write another file and return its Path")
            elif any(at == each or at.startswith(each + os.sep) for each in kept):
                continue
            elif path in self._opened and path not in self.written:
                found.append(f"{path} changed while it ran")
            elif self._is_result(at):
                found.append(f"it writes {path}, which a cached run would not; return its pathlib.Path")
        return found

    def _changed(self, path: str) -> bool:
        return path in self.written or stamp(path) != self.seen[path]

    def _is_result(self, at: str) -> bool:
        """Whether a file that was written is a result, and not a scratch file or a cache of a library."""
        return at.startswith(self._root) and os.path.isfile(at) and not _is_temporary(at)  # noqa: PTH113

    def _counts(self, path: str) -> bool:
        at = os.path.abspath(path)  # noqa: PTH100
        if at.startswith((*_SYSTEM, *self._skipped)) or at.endswith(".pyc") or "__pycache__" in at:
            return False
        return file_origin(at) is Origin.FIRST_PARTY


def _is_temporary(path: str) -> bool:
    return path.startswith(tempfile.gettempdir() + os.sep)


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


def _install() -> None:
    """Put the hooks in place, once in the life of a process: an audit hook cannot be taken out."""
    global _installed
    with _lock:
        if not _installed:
            _installed = True
            sys.addaudithook(_hook)
            _wrap_environment()
    _wrap_polars()


def _hook(event: str, args: tuple[object, ...]) -> None:
    if _active and event in _EVENTS and threading.get_ident() not in _ours:
        _EVENTS[event](args)


def _on_open(args: tuple[object, ...]) -> None:
    path, mode, flags = args
    if isinstance(path, int) or _by_machinery():
        return
    writes = (isinstance(flags, int) and bool(flags & _WRITING)) or (isinstance(mode, str) and mode[:1] in "wax")
    _tell_path(path, writes=writes)


def _on_list(args: tuple[object, ...]) -> None:
    path = args[0] if args and args[0] is not None else "."
    if isinstance(path, int) or _by_machinery():
        return
    for watch in _active[:]:
        watch.folder(os.fsdecode(path))  # type: ignore[arg-type]


def _on_sqlite(args: tuple[object, ...]) -> None:
    name = str(args[0])
    if name and name != ":memory:" and not name.startswith("file:"):
        _tell_path(name)


def _on_connect(args: tuple[object, ...]) -> None:
    address = args[1] if len(args) > 1 else None
    if isinstance(address, tuple) and len(address) >= 2:
        _tell_door("network", f"connects to {address[0]}:{address[1]}")


def _on_program(args: tuple[object, ...]) -> None:
    if _is_first_party(_caller()):
        what = args[0] if isinstance(args[0], (str, bytes)) else "a program"
        _tell_door("programs", f"starts {os.fsdecode(what)}")


_EVENTS = {
    "open": _on_open,
    "os.listdir": _on_list,
    "os.scandir": _on_list,
    "sqlite3.connect": _on_sqlite,
    "socket.connect": _on_connect,
    "subprocess.Popen": _on_program,
    "os.system": _on_program,
    "os.exec": _on_program,
    "os.posix_spawn": _on_program,
}


def _tell_path(path: object, *, writes: bool = False, keeps: bool = True) -> None:
    try:
        name = os.fsdecode(path)  # type: ignore[arg-type]
    except TypeError:
        return
    for watch in _active[:]:
        watch.path(name, writes=writes, keeps=keeps)


def _tell_door(name: str, what: str) -> None:
    for watch in _active[:]:
        watch.door(name, what)


def _caller() -> FrameType | None:
    """The frame that caused an audit event."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return frame


def _by_machinery() -> bool:
    """Whether Python itself opens a file to import it or to show its lines."""
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


def _wrap_environment() -> None:
    """Have every reading of an environment variable seen; a copy that a library takes of all of them is not."""
    kind = type(os.environ)
    read, copy = kind.__getitem__, kind.copy

    def getitem(self: os._Environ[str], key: str) -> str:
        if _active and isinstance(key, (str, bytes)) and threading.get_ident() not in _ours:
            for watch in _active[:]:
                watch.variables.add(os.fsdecode(key))
        return read(self, key)

    def copied(self: os._Environ[str]) -> dict[str, str]:
        if _active and not _is_first_party(sys._getframe(1)):
            with unwatched():
                return copy(self)
        return copy(self)

    kind.__getitem__ = getitem  # type: ignore[method-assign]
    kind.copy = copied  # type: ignore[method-assign]


def _wrap_polars() -> None:
    """Have the paths seen that polars is about to read: its modules call one function with each of them."""
    various = sys.modules.get("polars._utils.various")
    original = getattr(various, "normalize_filepath", None)
    if original is None or hasattr(original, "__clew_original__"):
        return

    def normalize_filepath(path: object, **options: bool) -> object:
        found = original(path, **options)
        if _active and threading.get_ident() not in _ours:
            _tell_native(str(found))
        return found

    normalize_filepath.__clew_original__ = original  # type: ignore[attr-defined]
    for name, module in list(sys.modules.items()):
        if name.startswith("polars.") and getattr(module, "normalize_filepath", None) is original:
            module.normalize_filepath = normalize_filepath  # type: ignore[attr-defined]


def _tell_native(path: str) -> None:
    if "://" in path and not path.startswith("file://"):
        _tell_door("network", f"reads {path}")
    elif any(sign in path for sign in "*?[") and not os.path.exists(path):  # noqa: PTH110
        for watch in _active[:]:
            watch.patterns.add(path)
    else:
        for watch in _active[:]:
            watch.expect(path.removeprefix("file://"))
