"""The journal of one replica: every decision, in the order in which it was acknowledged.

A folder per replica holds numbered segments of frames (length, checksum, payload). `append` returns when the frame is
in the file (level *kill*); a thread syncs what is new every `sync_s` (level *power* with that lag). What the journal
is not: a place to look things up. `clew.serving.compaction` drains it into the endpoint's log datasets and removes
segments that are drained and closed. Layout and threats: docs/design/prediction-log.md.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from clew.core.errors import Corrupt, Unavailable
from clew.core.ids import IdSource, is_id
from clew.store.objects.disk import sync, sync_folder

__all__ = ["HEADER", "ReplicaJournal", "is_live", "is_written", "read_frames", "segments", "torn_bytes"]

MAGIC = b"clew.decisions/0\n"
HEADER = len(MAGIC)
_FRAME = struct.Struct("<II")
_LARGEST_FRAME = 64 << 20
_LEVELS = 3
"""Folders above a replica's that may be new with it: of its endpoint, of all endpoints, and the project's."""
_log = logging.getLogger("clew.serving")


class ReplicaJournal:
    """The writing side; one per process, held by a lock on the folder.

    A sync that failed once is never believed again: the kernel takes what it could not write for written. What stands
    in the page cache is copied into a fresh file under the same name then, and until that is on disk nothing more is
    acknowledged.

    Args:
        folder: the replica's own folder, made if it is missing.
        ids: for the names of segments, which are never used again: the ledger remembers how far each was drained.
        segment_bytes: a new segment is begun behind this size.
        sync_s: how often new frames are synced to disk, seconds.

    Raises:
        Unavailable: another process holds this replica, or the disk has no room.
    """

    def __init__(self, folder: Path, ids: IdSource, *, segment_bytes: int = 16 << 20, sync_s: float = 0.1) -> None:
        self.folder, self._ids, self._segment_bytes = folder, ids, segment_bytes
        self._lock = threading.Lock()
        self._fd, self._size, self._dirty, self._doubtful = -1, 0, False, False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for above in list(folder.parents)[:_LEVELS]:
                sync_folder(above)
            self._held = _hold(folder)
        except OSError as error:
            raise self._no_room(error) from error
        try:
            for draft in folder.glob("*.new"):
                draft.unlink(missing_ok=True)
            self._next_segment()
        except OSError as error:
            os.close(self._held)
            raise self._no_room(error) from error
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sync_loop, args=(sync_s,), name="clew-journal", daemon=True)
        self._thread.start()

    def append(self, payload: bytes) -> None:
        """Write one frame; when it returns, the frame survives the death of this process.

        Args:
            payload: at least one byte: a frame of zeros is one that a machine lost when it died.

        Raises:
            Unavailable: the disk is full or broken; nothing of the frame stays.
        """
        frame = _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        with self._lock:
            try:
                if self._doubtful:
                    self._rewrite()
                if self._size >= self._segment_bytes:
                    self._next_segment()
                written = os.write(self._fd, frame)
                if written != len(frame):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as error:
                self._take_back()
                raise self._no_room(error) from error
            self._size += written
            self._dirty = True

    def sync(self) -> None:
        """Force everything that was appended to disk; requests go on meanwhile.

        Raises:
            OSError: it is not there.
        """
        with self._lock:
            if self._doubtful:
                self._rewrite()
            if not self._dirty:
                return
            self._dirty, fd = False, os.dup(self._fd)
        try:
            sync(fd)
        except OSError:
            with self._lock:
                self._doubtful = True
                self._rewrite()
        finally:
            os.close(fd)

    def close(self) -> None:
        """Sync, and let go of the replica."""
        if self._fd < 0:
            return
        self._stop.set()
        self._thread.join()
        try:
            self.sync()
        except OSError:
            _log.exception("decisions in %s are not on disk yet", self.folder)
        os.close(self._fd)
        self._fd = -1
        os.close(self._held)

    def _take_back(self) -> None:
        """Remove what a failed write left; where even that fails, the segment is written anew before its next frame."""
        try:
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
        except OSError:
            self._doubtful = True

    def _next_segment(self) -> None:
        """Begin a segment, once the one before is on disk."""
        if self._fd >= 0 and self._dirty:
            try:
                sync(self._fd)
                self._dirty = False
            except OSError:
                self._doubtful = True
                self._rewrite()
        self._begin(self.folder / f"{self._ids()}.seg", MAGIC)

    def _rewrite(self) -> None:
        """Put the segment on disk from the page cache, as a fresh file under its name."""
        content = os.pread(self._fd, self._size, 0)
        if len(content) != self._size:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._begin(self._path, content)

    def _begin(self, path: Path, content: bytes) -> None:
        """Go on in a file that holds some bytes, durably, and only then end the one before.

        It is locked before it has its name: a segment without a lock is one that nobody will ever write to.
        """
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left = memoryview(content)
            while left:
                left = left[os.write(fd, left) :]
            sync(fd)
            draft.rename(path)
        except OSError:
            os.close(fd)
            with suppress(OSError):
                draft.unlink()
            raise
        before, self._fd, self._path = self._fd, fd, path
        self._size, self._dirty, self._doubtful = len(content), False, True
        if before >= 0:
            os.close(before)
        sync_folder(self.folder)
        self._doubtful = False

    def _sync_loop(self, every_s: float) -> None:
        while not self._stop.wait(every_s):
            try:
                self.sync()
            except OSError:
                _log.exception("decisions in %s are not on disk yet", self.folder)

    def _no_room(self, error: OSError) -> Unavailable:
        words = f"the decision could not be logged in {self.folder}: {error.strerror}"
        return Unavailable(words, hint="free some disk space")


def segments(folder: Path) -> list[Path]:
    """The segments of a replica, oldest first."""
    return sorted(path for path in folder.glob("*.seg") if is_id(path.stem))


def is_live(folder: Path) -> bool:
    """Whether a process holds this replica. A lock dies with its holder, also after `kill -9`."""
    return _is_locked(folder / "lock")


def is_written(segment: Path) -> bool:
    """Whether a process may still write to a segment; once nobody may, nobody ever will."""
    return _is_locked(segment)


def _is_locked(path: Path) -> bool:
    """Whether a process holds what has this name now: a segment that is written anew gets another file meanwhile."""
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), os.stat(path)):  # noqa: PTH116 - beside that of a descriptor
                return False
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        finally:
            os.close(fd)


def read_frames(path: Path, start: int = HEADER) -> Iterator[tuple[bytes, int]]:
    """Payloads from byte `start` on, each with the offset behind it.

    Ends quietly at a frame that is not all there: its writer is at work or was killed, and it was never acknowledged.
    Zeros to the end of the file are such a frame too: the machine died before they were synced.

    Raises:
        Corrupt: the file is no segment, or a whole frame does not match its checksum.
    """
    with path.open("rb") as file:
        magic = file.read(HEADER)
        if magic != MAGIC:
            if MAGIC.startswith(magic):
                return
            raise Corrupt(f"{path} is no journal of decisions")
        first = max(start, HEADER)
        file.seek(first)
        content = file.read()  # a segment is no larger than one that is written to, and a read for each frame is slow
    at, end = 0, len(content)
    while end - at >= _FRAME.size:
        length, checksum = _FRAME.unpack_from(content, at)
        behind = at + _FRAME.size
        if not length and not any(content[at:behind]) and not _anything_behind(path, first + at):
            return
        if not 0 < length <= _LARGEST_FRAME:
            raise Corrupt(f"{path} is damaged at byte {first + at}: a frame of {length} bytes")
        payload = content[behind : behind + length]
        if len(payload) < length:
            return
        if zlib.crc32(payload) != checksum:
            raise Corrupt(f"{path} is damaged at byte {first + at}: its checksum does not match")
        at = behind + length
        yield payload, first + at


def torn_bytes(path: Path, end: int) -> int:
    """How many bytes of a segment that nobody writes to stand behind its last whole frame; 0 when all are zeros."""
    return path.stat().st_size - end if _anything_behind(path, end) else 0


def _anything_behind(path: Path, at: int) -> bool:
    """Whether any byte from `at` on is not zero."""
    with path.open("rb") as file:
        file.seek(at)
        while piece := file.read(1 << 20):
            if piece.count(0) != len(piece):
                return True
    return False


def _hold(folder: Path) -> int:
    fd = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise Unavailable(
            f"another process serves from {folder}", hint="stop it, or serve under another name"
        ) from error
    return fd
