"""The journal of one replica: every decision, in the order in which it was acknowledged.

A folder per replica holds numbered segments of frames (length, checksum, payload). `append` returns when the frame is
in the file (level *kill*); a thread syncs what is new every `sync_s` (level *power* with that lag). What the journal
is not: a place to look things up. `clew.serving.compaction` drains it into the endpoint's log datasets and removes
segments that are drained and closed. Layout and threats: docs/design/prediction-log.md.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

from clew.core.errors import Corrupt, Unavailable
from clew.core.ids import IdSource, is_id

__all__ = ["HEADER", "ReplicaJournal", "is_live", "is_written", "read_frames", "segments"]

MAGIC = b"clew.decisions/0\n"
HEADER = len(MAGIC)
_FRAME = struct.Struct("<II")
_LARGEST_FRAME = 64 << 20
_log = logging.getLogger("clew.serving")


class ReplicaJournal:
    """The writing side; one per process, held by a lock on the folder.

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
        folder.mkdir(parents=True, exist_ok=True)
        self._held = _hold(folder)
        for draft in folder.glob("*.new"):
            draft.unlink(missing_ok=True)
        self._lock = threading.Lock()
        self._fd = -1
        try:
            self._next_segment()
        except OSError as error:
            os.close(self._held)
            raise self._no_room(error) from error
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sync_loop, args=(sync_s,), name="clew-journal", daemon=True)
        self._thread.start()

    def append(self, payload: bytes) -> None:
        """Write one frame; when it returns, the frame survives the death of this process.

        Raises:
            Unavailable: the disk is full or broken; nothing of the frame stays.
        """
        frame = _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        with self._lock:
            try:
                if self._size >= self._segment_bytes:
                    self._next_segment()
                written = os.write(self._fd, frame)
                if written != len(frame):
                    raise OSError(28, "No space left on device")
            except OSError as error:
                os.ftruncate(self._fd, self._size)
                os.lseek(self._fd, self._size, os.SEEK_SET)
                raise self._no_room(error) from error
            self._size += written
            self._dirty = True

    def sync(self) -> None:
        """Force everything that was appended to disk; requests go on meanwhile."""
        with self._lock:
            if not self._dirty:
                return
            self._dirty, fd = False, os.dup(self._fd)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Sync, and let go of the replica."""
        if self._fd < 0:
            return
        self._stop.set()
        self._thread.join()
        self.sync()
        os.close(self._fd)
        self._fd = -1
        os.close(self._held)

    def _next_segment(self) -> None:
        """Begin a segment, and only then end the one before.

        It is locked before it has its name: a segment without a lock is one that nobody will ever write to.
        """
        name = self._ids()
        draft = self.folder / f"{name}.new"
        fd = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.write(fd, MAGIC) != HEADER:
                raise OSError(28, "No space left on device")
            draft.rename(self.folder / f"{name}.seg")
            _sync_folder(self.folder)
        except OSError:
            os.close(fd)
            draft.unlink(missing_ok=True)
            raise
        before, self._fd = self._fd, fd
        self._size, self._dirty = HEADER, True
        if before >= 0:
            try:
                os.fsync(before)
            finally:
                os.close(before)

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
    try:
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def is_written(segment: Path) -> bool:
    """Whether a process may still write to a segment; once nobody may, nobody ever will."""
    try:
        fd = os.open(segment, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def read_frames(path: Path, start: int = HEADER) -> Iterator[tuple[bytes, int]]:
    """Payloads from byte `start` on, each with the offset behind it.

    Ends quietly at a frame that is not all there: its writer is at work or was killed, and it was never acknowledged.

    Raises:
        Corrupt: the file is no segment, or a whole frame does not match its checksum.
    """
    with path.open("rb") as file:
        magic = file.read(HEADER)
        if magic != MAGIC:
            if MAGIC.startswith(magic):
                return
            raise Corrupt(f"{path} is no journal of decisions")
        at = max(start, HEADER)
        file.seek(at)
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            length, checksum = _FRAME.unpack(head)
            if length > _LARGEST_FRAME:
                raise Corrupt(f"{path} is damaged at byte {at}: a frame of {length} bytes")
            payload = file.read(length)
            if len(payload) < length:
                return
            if zlib.crc32(payload) != checksum:
                raise Corrupt(f"{path} is damaged at byte {at}: its checksum does not match")
            at += _FRAME.size + length
            yield payload, at


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


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
