"""What makes a file durable: synchronised contents, an atomic name, a synchronised folder. No formats here."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from clew.core.errors import NotFound, Unavailable

try:
    import fcntl
except ImportError:  # Windows, where only the client runs: no advisory locks, no reflinks
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "DRAFT_NAME",
    "Draft",
    "disk_errors",
    "locked",
    "remove_abandoned",
    "saving",
    "sweep_drafts",
    "sync",
    "sync_folder",
    "unavailable",
]

DRAFT_NAME = re.compile(r"\.clew-[0-9a-f]{16}\.tmp")
"""Names of files that are being written. A file with such a name holds nothing that anyone was promised."""

_FICLONE = 0x40049409
_NO_CLONE = {errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.ENOSYS, errno.EBADF, errno.ETXTBSY}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn an `OSError` of the store's own disk into `Unavailable`."""
    try:
        yield
    except OSError as error:
        raise unavailable(what, error) from error


def unavailable(what: str, error: OSError) -> Unavailable:
    """The error to raise when the store's own disk refuses."""
    full = error.errno in _FULL or "No space left" in str(error)  # polars gives no number
    reason = "the disk or quota is full" if full else (error.strerror or str(error))
    hint = "free some space and run the same command again" if full else "check the disk and its permissions"
    return Unavailable(f"could not {what}: {reason}", hint=hint)


def sync(fd: int) -> None:
    """Make a file's contents survive a loss of power."""
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync stops at the drive's cache
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def sync_folder(folder: str | Path) -> None:
    """Make the names in a folder survive a loss of power."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Draft:
    """A file under a temporary name, that gets its real name only when it is whole.

    Leaving the `with` block without `publish` removes it. It is locked while it is open, so that a sweep can tell the
    draft of a slow writer from one whose writer was killed.

    Args:
        folder: where the draft lies; on the same file system as the name it will get.
        mode: permission bits before the umask.
    """

    def __init__(self, folder: str | Path, *, mode: int = 0o444) -> None:
        self.path = f"{folder}/.clew-{os.urandom(8).hex()}.tmp"
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        self._published = self._written = False
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks: age alone protects the draft
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def __enter__(self) -> Draft:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes; all of them."""
        self._written = True
        view = memoryview(data)
        while len(view):
            view = view[os.write(self.fd, view) :]

    def restart(self) -> None:
        """Forget what was written so far."""
        if self._written:
            os.ftruncate(self.fd, 0)
            os.lseek(self.fd, 0, os.SEEK_SET)
            self._written = False

    def clone(self, source: IO[bytes]) -> bool:
        """Share the blocks of another file (a reflink); False where the file system cannot."""
        if sys.platform != "linux":
            return False
        self._written = True
        try:
            fcntl.ioctl(self.fd, _FICLONE, source.fileno())
        except OSError as error:
            if error.errno in _NO_CLONE:
                return False
            raise
        return True

    def sync(self) -> None:
        """Make what was written survive *power*, still under the temporary name."""
        sync(self.fd)

    def publish(self, target: str | Path) -> None:
        """Give the file its name, replacing what has it. The caller synchronises contents before, folder after."""
        os.replace(self.path, target)  # noqa: PTH105 - once a file: hot
        self._published = True
        self._close_fd()

    def close(self) -> None:
        """Remove the draft, unless it was published. One that a broken disk keeps is swept later."""
        self._close_fd()
        if not self._published:
            with suppress(OSError):
                os.unlink(self.path)  # noqa: PTH108 - once a file: hot
            self._published = True

    def _close_fd(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@contextmanager
def saving(path: str | Path) -> Iterator[Draft]:
    """A draft that becomes a file at the end of the block, in place of one that is there. Survives *kill*.

    Raises:
        NotFound: its folder is not there.
        Unavailable: the disk refuses.
    """
    target = os.fspath(path)
    folder = os.path.dirname(target) or "."  # noqa: PTH120 - a checkout does this for every file
    with disk_errors(f"write {target}"):
        try:
            draft = Draft(folder, mode=0o666)
        except FileNotFoundError as error:
            raise NotFound("folder", folder) from error
        with draft:
            yield draft
            draft.publish(target)


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, which is made when it is not there, against other processes and threads."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if fcntl is not None:
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def sweep_drafts(folder: str | Path, *, now_us: int, older_than_us: int) -> int:
    """Remove drafts whose writers are gone.

    A draft is removed when it is old and nobody holds its lock: age protects the moment between making and locking
    it, the lock protects a slow writer from a clock that jumped.

    Returns:
        How many were removed.
    """
    drafts = [path for path in Path(folder).iterdir() if DRAFT_NAME.fullmatch(path.name)]
    old = [path for path in drafts if _age_us(path, now_us) >= older_than_us]
    return sum(remove_abandoned(path) for path in old)


def remove_abandoned(path: str | bytes | Path) -> bool:
    """Remove a draft if nobody holds its lock; whether it is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)  # noqa: PTH108 - the path may be bytes
        finally:
            os.close(fd)
    except OSError:
        return False
    return True


def _age_us(path: Path, now_us: int) -> int:
    with suppress(FileNotFoundError):
        return now_us - path.lstat().st_mtime_ns // 1000
    return 0
