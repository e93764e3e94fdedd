"""The file in which a run's messages wait for a server: append-only, read back after a kill. One to a journal.

Not what a message says (`messages`), nor who hands it over (`post`). Layout: docs/design/journal.md, "The outbox".
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from clew.core.errors import Corrupt
from clew.tracking.messages import Message
from clew.tracking.segment import lock_file

__all__ = ["Outbox", "Waiting", "outbox_path", "read_outbox"]

_MAGIC, _VERSION = b"clewoutb", 0
_HEADER = struct.Struct("<8sHHIQ")
_SENT_AT = 16
_FRAME = struct.Struct("<II")
_LONGEST_BYTES = 64 << 20
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_encoder = msgspec.msgpack.Encoder()


class Waiting(NamedTuple):
    """A message, and where it ends in the file; 0 where the disk did not take it."""

    message: Message
    end: int


def outbox_path(folder: Path, journal: str) -> Path:
    """Where the outbox of a journal lies."""
    return folder / f"{journal}.outbox"


class Outbox:
    """An outbox that is written to. What `add` returned from survives *kill*; threads may share it.

    Where the disk takes nothing, messages wait in memory, and that is said once.

    Args:
        path: the file; made with its folder by the first message, and locked while its owner lives.
        say: told what a person should know.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path = path
        self._say, self._told = say, False
        self._fd, self._end = -1, 0
        self._lock = threading.Lock()
        self._waiting: deque[Waiting] = deque()

    @classmethod
    def adopted(cls, path: Path, say: Callable[[str], None]) -> Outbox:
        """The outbox of a process that is gone, whose journal's lock the caller holds.

        Raises:
            Corrupt: it is no outbox.
        """
        found = cls(path, say)
        found._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        found._waiting.extend(read_outbox(path))
        return found

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._waiting)

    def add(self, message: Message) -> None:
        """Append a message."""
        body = _encoder.encode(message)
        with self._lock:
            try:
                end = self._write(_FRAME.pack(len(body), zlib.crc32(body)) + body)
            except OSError as error:
                self._complain(error)
                end = 0
            self._waiting.append(Waiting(message, end))

    def first(self) -> Message | None:
        """The message that is to be handed over next."""
        with self._lock:
            return self._waiting[0].message if self._waiting else None

    def all(self) -> list[Message]:
        """The messages that wait."""
        with self._lock:
            return [waiting.message for waiting in self._waiting]

    def done(self) -> None:
        """The first message was handed over."""
        with self._lock:
            end = self._waiting.popleft().end
            if end and self._fd >= 0:
                try:
                    os.pwrite(self._fd, struct.pack("<Q", end), _SENT_AT)
                except OSError as error:  # it is handed over again, which changes nothing
                    self._complain(error)

    def close(self, *, delete: bool) -> None:
        """Let go of the file; what waits is on the disk, also after a loss of power, unless it is deleted."""
        with self._lock:
            fd, self._fd = self._fd, -1
            if fd < 0:
                return
            try:
                if delete:
                    self.path.unlink(missing_ok=True)
                elif self._waiting:
                    os.fsync(fd)
            except OSError as error:
                self._complain(error)
            finally:
                os.close(fd)

    def _write(self, data: bytes) -> int:
        if self._fd < 0:
            self._create()
        at = self._end
        view = memoryview(data)
        while view:
            done = os.pwrite(self._fd, view, at)
            view, at = view[done:], at + done
        self._end = at
        return at

    def _create(self) -> None:
        try:
            self._fd = self._open()
        except FileNotFoundError:  # who looks for orphans took the folder away while it was still empty
            self._fd = self._open()
        self._end = _HEADER.size

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            lock_file(fd)
            os.pwrite(fd, _HEADER.pack(_MAGIC, _VERSION, 0, 0, _HEADER.size), 0)
        except OSError:
            os.close(fd)
            raise
        return fd

    def _complain(self, error: OSError) -> None:
        if not self._told:
            self._told = True
            self._say(f"clew cannot write {self.path} ({error}): until it can, a kill loses what the run says")


def read_outbox(path: Path, *, all: bool = False) -> list[Waiting]:
    """The messages of an outbox that still wait, or all of them; a torn last one never was said.

    Raises:
        Corrupt: it is no outbox of this version.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    if len(data) < _HEADER.size or not any(data[: _HEADER.size]):
        return []
    magic, version, _, _, sent = _HEADER.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        raise Corrupt(f"{path} is no outbox of version {_VERSION}", hint="use a newer clew")
    found, at = [], _HEADER.size
    while at + _FRAME.size <= len(data):
        length, check = _FRAME.unpack_from(data, at)
        body = data[at + _FRAME.size : at + _FRAME.size + length]
        if not 0 < length <= _LONGEST_BYTES or len(body) < length or zlib.crc32(body) != check:
            break
        at += _FRAME.size + length
        if all or at > sent:
            found.append(Waiting(_decoded(body, path), at))
    return found


def _decoded(body: bytes, path: Path) -> Message:
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Corrupt(f"{path} holds a message that cannot be read: {error}", hint="use a newer clew") from None
