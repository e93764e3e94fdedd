"""A disk that fails: full, broken, slow, read-only, or gone with the machine; for tests of what must survive it.

While a `FaultyDisk` is entered, calls of `os` that change something below its folder are counted, and may fail. All of
clew's own durable writing goes through these calls; SQLite's does not, and its files are taken as they are. The real
folder is always what a process sees: the page cache. `after_power_loss` builds from it what a loss of power leaves:

- contents that were not synced are kept or lost page by page, and a file may be longer than what was written to it;
- names that were made, moved or removed since their folder was synced are kept or lost one by one;
- what a failed sync covered is never written by a later one: the kernel has forgotten that it was not.

A sync changes this model only; the real disk is not waited for.

A rename may thus be lost, happen, leave both names or none, which is worse than what journalling file systems do.
"""

from __future__ import annotations

import errno
import os
import random
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

__all__ = ["Crash", "Fault", "FaultyDisk"]

_PAGE = 4096
_Call = Callable[..., Any]


class Crash(BaseException):
    """The process died here. Nothing that it tries afterwards reaches the disk."""


class Fault(StrEnum):
    """What happens at the operation."""

    FULL = "full"
    """`ENOSPC`, and to everything that needs room from then on."""
    SHORT = "short"
    """A write takes a part of its bytes; the next one finds the disk full."""
    BROKEN = "broken"
    """`EIO`, once."""
    READ_ONLY = "read-only"
    """`EROFS`, from then on: what ext4 does after an error of its own."""
    CRASH = "crash"
    """The process dies before the operation."""
    CRASH_AFTER = "crash-after"
    """The process dies behind it."""
    SLOW = "slow"
    """Nothing fails, but each operation from then on takes some milliseconds."""


@dataclass(eq=False)
class _File:
    """A file: `path` is where its cached contents are, `held` its contents once it has no name any more."""

    path: str
    durable: bytes = b""
    held: bytes | None = None
    forgotten: dict[int, bytes] = field(default_factory=dict)
    """Pages that a failed sync covered, with their contents then."""

    def cached(self) -> bytes:
        if self.held is not None:
            return self.held
        with open(self.path, "rb") as file:  # noqa: PTH123 - not through what is replaced
            return file.read()

    def sync(self) -> None:
        cached, before = self.cached(), self.durable
        pages = _pages(cached)
        for at, content in list(self.forgotten.items()):
            if at < len(pages) and pages[at] == content:
                pages[at] = before[at * _PAGE : (at + 1) * _PAGE].ljust(len(pages[at]), b"\0")[: len(pages[at])]
            else:
                del self.forgotten[at]
        self.durable = b"".join(pages)

    def forget(self) -> None:
        """A sync failed: what was dirty counts as written from now on, and is not."""
        durable = _pages(self.durable)
        for at, content in enumerate(_pages(self.cached())):
            if at >= len(durable) or durable[at] != content:
                self.forgotten[at] = content

    def survivor(self, draw: random.Random) -> bytes:
        cached, durable = self.cached(), self.durable
        if cached == durable:
            return durable
        low, high = sorted((len(cached), len(durable)))
        size = draw.choice((low, high, draw.randint(low, high)))
        kept = b""
        for at in range(0, size, _PAGE):
            source = draw.choice((cached, durable))
            if self.forgotten.get(at // _PAGE) == cached[at : at + _PAGE]:
                source = durable
            kept += source[at : at + _PAGE].ljust(_PAGE, b"\0")
        return kept[:size]


@dataclass(eq=False)
class _Folder:
    """A folder: its names as cached, as of its last sync, and what happened to them since."""

    names: dict[str, _File | _Folder] = field(default_factory=dict)
    durable: dict[str, _File | _Folder] = field(default_factory=dict)
    changes: list[tuple[str, _File | _Folder | None]] = field(default_factory=list)

    def put(self, name: str, node: _File | _Folder | None) -> None:
        self.changes.append((name, node))
        if node is None:
            self.names.pop(name, None)
        else:
            self.names[name] = node

    def sync(self) -> None:
        self.durable, self.changes = dict(self.names), []

    def survivors(self, draw: random.Random) -> dict[str, _File | _Folder]:
        kept = dict(self.durable)
        for name, node in self.changes:
            if draw.random() < 0.5:
                continue
            if node is None:
                kept.pop(name, None)
            else:
                kept[name] = node
        return kept


def _pages(data: bytes) -> list[bytes]:
    return [data[at : at + _PAGE] for at in range(0, len(data), _PAGE)]


class FaultyDisk:
    """Faults below one folder, for as long as the `with` block lasts. What lies there at the beginning is durable.

    Args:
        folder: everything below it is on this disk.
        at: which operation fails, counted from 1; 0 for none.
        fault: what happens to it.

    `count` says how many operations there were, `done` names them.
    """

    def __init__(self, folder: Path, *, at: int = 0, fault: Fault = Fault.BROKEN) -> None:
        self.folder, self.at, self.fault = os.path.realpath(folder), at, fault
        self.done: list[str] = []
        self.crashed = False
        self._lock = threading.RLock()
        self._root = _Folder()
        self._open: dict[int, tuple[_File | None, str, bool]] = {}
        self._real: dict[str, _Call] = {}

    @property
    def count(self) -> int:
        """How many operations there were."""
        return len(self.done)

    def __enter__(self) -> FaultyDisk:
        self._scan(self._root, self.folder)
        for name in _REPLACED:
            if hasattr(os, name):
                self._real[name] = getattr(os, name)
                setattr(os, name, getattr(self, f"_do_{name}"))
        return self

    def __exit__(self, *_: object) -> None:
        for name, real in self._real.items():
            setattr(os, name, real)
        for fd, (_file, _path, writes) in self._open.items():
            if writes:  # of a process that died; who reads closes by itself
                with suppress(OSError):
                    os.close(fd)

    def after_power_loss(self, target: Path, draw: random.Random) -> Path:
        """Build what is left of the folder when the machine dies now.

        Args:
            target: where to; it must not exist.
            draw: which of the possible survivors.
        """
        self._write(self._root, Path(self.folder), target, draw)
        return target

    def _write(self, folder: _Folder, source: Path, target: Path, draw: random.Random) -> None:
        target.mkdir(parents=True)
        for name, node in folder.survivors(draw).items():
            if isinstance(node, _Folder):
                self._write(node, source / name, target / name, draw)
            else:
                (target / name).write_bytes(node.survivor(draw))
        for path in source.iterdir() if source.is_dir() else ():
            if path.is_file() and path.name not in folder.names:  # SQLite's
                (target / path.name).write_bytes(path.read_bytes())

    def _scan(self, folder: _Folder, path: str) -> None:
        for entry in os.scandir(path) if Path(path).is_dir() else ():
            if entry.is_dir(follow_symlinks=False):
                inner = folder.names[entry.name] = _Folder()
                self._scan(inner, entry.path)
            elif entry.is_file(follow_symlinks=False) and not _is_database(entry.name):
                file = folder.names[entry.name] = _File(entry.path)
                file.durable = file.cached()
        folder.durable = dict(folder.names)

    # What the model knows of a path.

    def _inside(self, path: Any) -> str | None:
        """The path below the folder; None for what is not on this disk, or not clew's own."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return None
        text = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - a link is not followed
        text = os.path.join(os.path.realpath(os.path.dirname(text)), os.path.basename(text))  # noqa: PTH118, PTH119, PTH120
        mine = text == self.folder or text.startswith(f"{self.folder}/")
        return text if mine and not _is_database(text) else None

    def _place(self, path: str) -> tuple[_Folder, str]:
        """The folder that a path is in, and its name there."""
        folder, parts = self._root, Path(path).relative_to(self.folder).parts
        for name in parts[:-1]:
            inner = folder.names.get(name)
            if not isinstance(inner, _Folder):
                inner = _Folder()
                folder.names[name] = folder.durable[name] = inner
            folder = inner
        return folder, parts[-1] if parts else ""

    def _node(self, path: str) -> _File | _Folder | None:
        folder, name = self._place(path)
        return folder.names.get(name) if name else self._root

    # What happens at an operation.

    def _operate(self, what: str, path: str | None, act: Callable[[], Any], *, part: _Call | None = None) -> Any:
        if path is None:
            return act()
        with self._lock:
            if self.crashed:
                raise Crash
            self.done.append(f"{what} {os.path.relpath(path, self.folder)}")
            passed = self.count - self.at if self.at else -1
        if passed < 0:
            return act()
        if self.fault is Fault.SLOW:
            time.sleep(0.002)
            return act()
        if self.fault is Fault.SHORT:
            return self._short(passed, act, part)
        if self.fault in (Fault.FULL, Fault.READ_ONLY):
            if what in _FREEING and self.fault is Fault.FULL:
                return act()
            raise _error(errno.ENOSPC if self.fault is Fault.FULL else errno.EROFS, path)
        if passed > 0:
            return act()
        if self.fault is Fault.BROKEN:
            if what == "fsync":
                node = self._node(path)
                if isinstance(node, _File):
                    node.forget()
            raise _error(errno.EIO, path)
        if self.fault is Fault.CRASH_AFTER:
            act()
        self._die()
        raise Crash

    def _short(self, passed: int, act: Callable[[], Any], part: _Call | None) -> Any:
        """The first write from there on is cut, the one behind it finds no room."""
        if part is None:
            return act()
        if self.fault is Fault.SHORT and not hasattr(self, "_cut"):
            self._cut = passed
            return part()
        if self._cut >= 0:
            self._cut = -1
            raise _error(errno.ENOSPC, self.folder)
        return act()

    def _die(self) -> None:
        """Nothing reaches the disk from now on, and locks are free."""
        self.crashed = True
        import fcntl

        for fd in self._open:
            with suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_UN)

    # What stands in the place of `os`.

    def _do_open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        real, inside = self._real["open"], self._inside(path)
        more = {} if dir_fd is None else {"dir_fd": dir_fd}
        if inside is None or dir_fd is not None:
            return int(real(path, flags, mode, **more))
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
        fresh = bool(flags & os.O_CREAT) and not os.path.lexists(inside)

        def act() -> int:
            fd = int(real(path, flags, mode))
            if stat.S_ISREG(os.fstat(fd).st_mode):
                folder, name = self._place(inside)
                if fresh or name not in folder.names:
                    folder.put(name, _File(inside))
                node = folder.names[name]
                self._open[fd] = (node if isinstance(node, _File) else None, inside, writes)
            else:
                self._open[fd] = (None, inside, False)
            return fd

        return int(self._operate("create", inside, act)) if fresh else act()

    def _do_close(self, fd: int) -> None:
        self._open.pop(fd, None)
        self._real["close"](fd)

    def _do_dup(self, fd: int) -> int:
        copy = int(self._real["dup"](fd))
        if fd in self._open:
            self._open[copy] = self._open[fd]
        return copy

    def _do_write(self, fd: int, data: Any) -> int:
        real = self._real["write"]
        view = memoryview(data).cast("B")
        half = view[: max(len(view) // 2, 1)]
        return int(self._operate("write", self._path(fd), lambda: real(fd, data), part=lambda: real(fd, half)))

    def _do_pwrite(self, fd: int, data: Any, offset: int) -> int:
        real = self._real["pwrite"]
        view = memoryview(data).cast("B")
        half = view[: max(len(view) // 2, 1)]
        part = lambda: real(fd, half, offset)
        return int(self._operate("write", self._path(fd), lambda: real(fd, data, offset), part=part))

    def _do_ftruncate(self, fd: int, length: int) -> None:
        self._operate("truncate", self._path(fd), lambda: self._real["ftruncate"](fd, length))

    def _do_posix_fallocate(self, fd: int, offset: int, length: int) -> None:
        real = self._real["posix_fallocate"]
        self._operate("reserve", self._path(fd), lambda: real(fd, offset, length))

    def _do_fsync(self, fd: int) -> None:
        file, path, _ = self._open.get(fd, (None, None, False))

        def act() -> None:
            node = file if file is not None else self._node(path) if path is not None else None
            if node is not None:
                node.sync()

        self._operate("fsync", path, act)

    def _do_replace(self, source: Any, target: Any, **more: Any) -> None:
        self._move("replace", source, target, more)

    def _do_rename(self, source: Any, target: Any, **more: Any) -> None:
        self._move("rename", source, target, more)

    def _move(self, call: str, source: Any, target: Any, more: dict[str, Any]) -> None:
        old, new = self._inside(source), self._inside(target)

        def act() -> None:
            if new is not None:
                self._hold(new)
            self._real[call](source, target, **more)
            if old is None or new is None:
                return
            folder, name = self._place(old)
            node = folder.names.get(name)
            if isinstance(node, _Folder):
                raise NotImplementedError("this disk knows no renames of folders")
            other, fresh = self._place(new)
            node = node or _File(new)
            node.path = new
            other.put(fresh, node)
            folder.put(name, None)

        self._operate("rename", new, act)

    def _do_unlink(self, path: Any, **more: Any) -> None:
        inside = None if more.get("dir_fd") is not None else self._inside(path)

        def act() -> None:
            if inside is not None:
                self._hold(inside)
            self._real["unlink"](path, **more)
            if inside is not None:
                folder, name = self._place(inside)
                folder.put(name, None)

        self._operate("unlink", inside, act)

    def _do_remove(self, path: Any, **more: Any) -> None:
        self._do_unlink(path, **more)

    def _do_mkdir(self, path: Any, *mode: Any, **more: Any) -> None:
        inside = None if more.get("dir_fd") is not None else self._inside(path)

        def act() -> None:
            self._real["mkdir"](path, *mode, **more)
            if inside is not None:
                folder, name = self._place(inside)
                folder.put(name, _Folder())

        self._operate("mkdir", inside, act)

    def _path(self, fd: int) -> str | None:
        return self._open[fd][1] if fd in self._open else None

    def _hold(self, path: str) -> None:
        """Keep the contents of a file that loses its name: the removal may not survive."""
        node = self._node(path)
        if isinstance(node, _File) and node.held is None:
            with suppress(FileNotFoundError):
                node.held = node.cached()


_REPLACED = (
    "open",
    "close",
    "dup",
    "write",
    "pwrite",
    "ftruncate",
    "posix_fallocate",
    "fsync",
    "replace",
    "rename",
    "unlink",
    "remove",
    "mkdir",
)
_FREEING = ("unlink", "truncate", "fsync", "rename")


def _is_database(name: str) -> bool:
    return name.endswith((".db", ".db-wal", ".db-shm", ".db-journal"))


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
