"""A file outside the store that is read into it once, and must not change meanwhile."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from clew.core.errors import Conflict, Invalid, NotFound
from clew.store.objects.frames import FRAME_BYTES

__all__ = ["Source", "open_source"]


class Source:
    """An open file, and what it looked like before the first byte was read."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self._before = os.fstat(file.fileno())

    @property
    def size_bytes(self) -> int:
        """Length when it was opened."""
        return self._before.st_size

    def chunks(self) -> Iterator[bytes]:
        """The bytes in pieces of 1 MiB.

        Raises:
            Conflict: the file changed while it was read.
        """
        read = 0
        while read <= self._before.st_size and (chunk := self.file.read(FRAME_BYTES)):
            read += len(chunk)
            yield chunk
        after = os.fstat(self.file.fileno())
        if read != self._before.st_size or _look(after) != _look(self._before):
            raise Conflict(
                f"{self.path} changed while it was read", hint="run the same command when nothing writes to it"
            )


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a regular file to read it into the store.

    Raises:
        NotFound: there is no such file.
        Invalid: it is a folder, a pipe or a device, or may not be read.
    """
    try:
        # a pipe that nobody writes to would wait for ever
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as error:
        raise NotFound("file", str(path)) from error
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Invalid(f"{path} is not a regular file")
        with os.fdopen(fd, "rb", buffering=0, closefd=False) as file:
            yield Source(path, file)
    finally:
        os.close(fd)


def _look(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
