"""A disk that fails: full, broken, slow, read-only, or gone with the machine; for tests of what must survive it.

While a `FaultyDisk` is entered, calls of `os` that change something below its folder are counted, and may fail. All of
clew's own durable writing goes through these calls; SQLite's does not, and its files are taken as they are. The real
folder is always what a process sees; `after_power_loss` builds from it what a loss of power leaves (`volume`). A sync
changes that model only; the real disk is not waited for.
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
from enum import StrEnum
from pathlib import Path
from typing import Any

from clew.testing.volume import File, Volume

__all__ = ["Crash", "Fault", "FaultyDisk"]

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
        self._open: dict[int, tuple[File | None, str, bool]] = {}
        self._real: dict[str, _Call] = {}

    @property
    def count(self) -> int:
        """How many operations there were."""
        return len(self.done)

    def __enter__(self) -> FaultyDisk:
        self._volume = Volume(Path(self.folder))
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
        self._volume.survive(target, draw)
        return target

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
                node = self._volume.find(path)
                if isinstance(node, File):
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
        real, inside = self._real["open"], self._volume.inside(path)
        more = {} if dir_fd is None else {"dir_fd": dir_fd}
        if inside is None or dir_fd is not None:
            return int(real(path, flags, mode, **more))
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
        fresh = bool(flags & os.O_CREAT) and not os.path.lexists(inside)

        def act() -> int:
            fd = int(real(path, flags, mode))
            if stat.S_ISREG(os.fstat(fd).st_mode):
                self._open[fd] = (self._volume.opened(inside, fresh=fresh), inside, writes)
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
            node = file if file is not None else self._volume.find(path) if path is not None else None
            if node is not None:
                node.sync()

        self._operate("fsync", path, act)

    def _do_replace(self, source: Any, target: Any, **more: Any) -> None:
        self._move("replace", source, target, more)

    def _do_rename(self, source: Any, target: Any, **more: Any) -> None:
        self._move("rename", source, target, more)

    def _move(self, call: str, source: Any, target: Any, more: dict[str, Any]) -> None:
        old, new = self._volume.inside(source), self._volume.inside(target)

        def act() -> None:
            if new is not None:
                self._volume.hold(new)
            self._real[call](source, target, **more)
            if old is not None and new is not None:
                self._volume.moved(old, new)

        self._operate("rename", new, act)

    def _do_unlink(self, path: Any, **more: Any) -> None:
        inside = None if more.get("dir_fd") is not None else self._volume.inside(path)

        def act() -> None:
            if inside is not None:
                self._volume.hold(inside)
            self._real["unlink"](path, **more)
            if inside is not None:
                self._volume.removed(inside)

        self._operate("unlink", inside, act)

    def _do_remove(self, path: Any, **more: Any) -> None:
        self._do_unlink(path, **more)

    def _do_mkdir(self, path: Any, *mode: Any, **more: Any) -> None:
        inside = None if more.get("dir_fd") is not None else self._volume.inside(path)

        def act() -> None:
            self._real["mkdir"](path, *mode, **more)
            if inside is not None:
                self._volume.made(inside)

        self._operate("mkdir", inside, act)

    def _path(self, fd: int) -> str | None:
        return self._open[fd][1] if fd in self._open else None


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


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
