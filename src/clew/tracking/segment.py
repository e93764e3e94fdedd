"""One file of a journal: reserved, mapped where that is safe, and locked while its owner lives.

Not the layout of its bytes (`slots`). Reasoning: docs/design/journal.md.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import time
from collections.abc import Iterator
from pathlib import Path

from clew.core.errors import Corrupt
from clew.tracking.slots import HEADER_BYTES, SLOT_BYTES, Header, pack_header, parse_header

__all__ = ["Segment", "lock_file", "locked", "read_header", "read_segment", "segment_path", "trusts_mmap"]

_LOOK_S = 0.02
_CLOSE_ON_EXEC = getattr(os, "O_CLOEXEC", 0)
_NO_MMAP = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "fuse",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "zfs",
    }
)


def segment_path(folder: Path, journal: str, number: int) -> Path:
    """Where a segment lies."""
    return folder / f"{journal}.{number:06d}.journal"


def trusts_mmap(path: Path, mounts: str | None = None) -> bool:
    """Whether a reserved, shared map of a file below `path` cannot fail when it is written to.

    Args:
        path: an existing folder.
        mounts: the text of `/proc/self/mounts`; read when None.
    """
    if not hasattr(os, "posix_fallocate"):
        return False
    try:
        text = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace") if mounts is None else mounts
    except OSError:
        return False
    at, best, kind = str(path.resolve()), "", ""
    for line in text.splitlines():
        point, found = [*line.split(" "), "", "", ""][1:3]
        point = point.replace("\\040", " ")
        inside = at == point or at.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, found
    return bool(kind) and kind.partition(".")[0] not in _NO_MMAP


def lock_file(fd: int, *, wait_s: float = 0.0) -> bool:
    """Take the lock of a file; False when another process, or another opening of it, has it.

    Args:
        fd: of the file.
        wait_s: for how long to wait until it is free.

    Raises:
        OSError: there are no such locks here.
    """
    try:
        import fcntl
    except ModuleNotFoundError as error:
        raise OSError("this system has no file locks that clew can use") from error
    until_s = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until_s:
                return False
            time.sleep(_LOOK_S)
        else:
            return True


_held: set[int] = set()
"""What `locked` has open now."""


def _after_fork() -> None:
    """Close what the parent has locked: a child would hold those locks for as long as it lives."""
    while _held:
        os.close(_held.pop())  # and no more: to unlock would be to unlock for the parent, too


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextlib.contextmanager
def locked(path: Path, flags: int = os.O_RDWR, *, wait_s: float = 0.0) -> Iterator[bool]:
    """Whether the lock of a file could be taken, for as long as the block lasts; not where it is gone by then.

    Args:
        path: an existing file, or a folder.
        flags: how it is opened.
        wait_s: for how long to wait while somebody else has the lock.

    Raises:
        OSError: it cannot be opened, or there are no such locks here.
    """
    fd, mine = os.open(path, flags | _CLOSE_ON_EXEC), False
    _held.add(fd)
    try:
        mine = lock_file(fd, wait_s=wait_s)
        # Who had it before may have removed it between open and lock.
        yield mine and os.fstat(fd).st_nlink > 0
    finally:
        if fd in _held:  # not in a child that was forked meanwhile
            _held.remove(fd)
            if mine:
                _unlock_file(fd)
            os.close(fd)


def _unlock_file(fd: int) -> None:
    """Give back a lock now, also where a child that was forked a moment ago still has the same opening of the file."""
    import fcntl

    fcntl.flock(fd, fcntl.LOCK_UN)


class Segment:
    """A writable segment. `buffer` is what to pack into; `write` takes it to the page cache where it is not mapped.

    `in_memory` says that a kill would lose what it holds behind its first `safe_bytes`.

    Args:
        header: what it says about itself.
        folder: where its file goes; None keeps it in memory alone.
        mapped: map the file; otherwise it is written by `pwrite`.

    Raises:
        OSError: the file cannot be made, or there is no room for it.
    """

    def __init__(self, header: Header, folder: Path | None, *, mapped: bool) -> None:
        self.header = header
        self.size_bytes = HEADER_BYTES + header.capacity * SLOT_BYTES
        self.path = segment_path(folder, header.journal, header.number) if folder else None
        self.buffer: mmap.mmap | bytearray = bytearray()
        self._fd = -1
        self.mapped = mapped and folder is not None
        self.in_memory = folder is None
        self.safe_bytes = HEADER_BYTES
        if self.path is None:
            self.buffer = bytearray(self.size_bytes)
            self.buffer[:HEADER_BYTES] = pack_header(header)
        else:
            self._create(self.path)

    def _create(self, path: Path) -> None:
        fresh = path.with_suffix(".new")
        self._fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | _CLOSE_ON_EXEC, 0o600)
        try:
            if not lock_file(self._fd):
                raise FileNotFoundError(f"{fresh} was taken away")
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._fd, 0, self.size_bytes)
            os.pwrite(self._fd, pack_header(self.header), 0)
            if self.mapped:
                self.buffer = mmap.mmap(self._fd, self.size_bytes)
            else:
                self.buffer = bytearray(self.size_bytes)
            fresh.rename(path)
        except (OSError, ValueError) as error:
            os.close(self._fd)
            with contextlib.suppress(FileNotFoundError):
                fresh.unlink()
            raise OSError(str(error)) from error

    def write(self, start: int, end: int) -> None:
        """Hand bytes `start` to `end` of an unmapped segment to the file.

        Raises:
            OSError: there is no room, or the file system is gone.
        """
        view = memoryview(self.buffer)[start:end]
        while view:
            done = os.pwrite(self._fd, view, start)
            view, start = view[done:], start + done

    def stay_in_memory(self, at: int) -> None:
        """Go on without the file, which failed at this byte; what it holds so far stays readable there."""
        self.in_memory, self.safe_bytes = True, at

    def close(self, *, delete: bool) -> None:
        """Let go of map, file and lock."""
        if isinstance(self.buffer, mmap.mmap):
            # A fork may have copied a view that another thread held; nobody will release it here.
            with contextlib.suppress(BufferError):
                self.buffer.close()
        self.buffer = bytearray()
        if delete and self.path is not None:
            # A disk that keeps it costs space: who adopts it finds every point in the ledger.
            with contextlib.suppress(OSError):
                self.path.unlink()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_header(path: Path) -> Header | None:
    """Header of a segment on disk; None where it never got one.

    Raises:
        Corrupt: it is no journal segment.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return parse_header(file.read(HEADER_BYTES), str(path))


def read_segment(path: Path) -> tuple[Header, bytes] | None:
    """Header and slots of a segment on disk; None where it never got a header.

    Raises:
        Corrupt: it is no journal segment.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    header = parse_header(data, str(path))
    if header is None:
        return None
    if path.name != segment_path(path.parent, header.journal, header.number).name:
        raise Corrupt(f"{path} says that it is segment {header.number} of journal {header.journal}")
    return header, data[HEADER_BYTES : HEADER_BYTES + header.capacity * SLOT_BYTES]
