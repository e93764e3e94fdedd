"""What was read last from a distant store, kept on this machine up to a size; every read is verified again.

The wrapper keeps the contract of what it wraps. Whatever lies in its folder may be removed at any time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from clew.core.clock import Clock, SystemClock
from clew.core.contracts.objects import ObjectBatch, Objects
from clew.core.errors import Corrupt, Unavailable
from clew.core.ids import Digest
from clew.store.objects.disk import Draft, saving
from clew.store.objects.loose import Loose
from clew.store.objects.names import checked

__all__ = ["CachedObjects"]

_WHOLE_BYTES = 1 << 20
_SPARED_US, _NOTED_US = 3600 * 1_000_000, 600 * 1_000_000
_FULL = 0.8


class CachedObjects:
    """An `Objects` that keeps what it has read from another one in a folder.

    A path that `find_path` gave is spared for an hour after its last use, also when that is more than `limit_bytes`.

    Args:
        inner: where objects are.
        folder: made when it is first written to. Processes may share it.
        limit_bytes: how much is kept, about.
        clock: tells what was used last.
    """

    def __init__(self, inner: Objects, folder: Path, *, limit_bytes: int, clock: Clock | None = None) -> None:
        self.inner, self.folder = inner, folder
        self._limit_bytes = limit_bytes
        self._clock = clock or SystemClock()
        self._kept = Loose(folder)
        self._lock = threading.Lock()
        self._size_bytes = -1
        self._full_bytes = limit_bytes

    def put(self, data: bytes) -> Digest:
        return self.inner.put(data)

    def put_file(self, path: Path) -> Digest:
        return self.inner.put_file(path)

    def batch(self) -> AbstractContextManager[ObjectBatch]:
        return self.inner.batch()

    def get(self, digest: Digest) -> bytes:
        for copy in self._kept.find(checked(digest)):
            try:
                data = copy.read()
            except (Corrupt, OSError):
                self._kept.remove(digest)
            else:
                self._touch(copy.file)
                return data
        data = self.inner.get(digest)
        with suppress(OSError), self._room(digest) as target, Draft(target.parent) as draft:
            draft.write(data)
            draft.publish(target)
        return data

    def open(self, digest: Digest) -> BinaryIO:
        kept = self._fetched(digest)
        with suppress(FileNotFoundError):  # another process may have made room of it just now
            if kept is not None:
                return kept.open("rb")
        return self.inner.open(digest)

    def save(self, digest: Digest, path: Path) -> None:
        if self._held(digest) is None or not self._copied(digest, path):
            self.inner.save(digest, path)

    def size(self, digest: Digest) -> int:
        for copy in self._kept.find(checked(digest)):
            with suppress(FileNotFoundError):
                return copy.size
        return self.inner.size(digest)

    def find_path(self, digest: Digest) -> Path | None:
        """The file that is kept here, for large objects."""
        return self._fetched(digest) if self.size(digest) >= _WHOLE_BYTES else None

    def find_url(self, digest: Digest, *, valid_s: int = 900) -> str | None:
        return self.inner.find_url(digest, valid_s=valid_s)

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        return self.inner.missing(digests)

    def list(self, *, after: str = "") -> Iterator[Digest]:
        return self.inner.list(after=after)

    def delete(self, digests: Iterable[Digest]) -> None:
        gone = list(digests)
        self.inner.delete(gone)
        for digest in gone:
            self._kept.remove(digest)

    def _held(self, digest: Digest) -> Path | None:
        """The file of an object that is kept, verified now."""
        for copy in self._kept.find(checked(digest)):
            try:
                copy.verify()
            except (Corrupt, OSError):
                self._kept.remove(digest)
            else:
                self._touch(copy.file)
                return Path(copy.file)
        return None

    def _fetched(self, digest: Digest) -> Path | None:
        """The file of an object, fetched where it is not kept yet; None where this disk takes none."""
        found = self._held(digest)
        if found is None:
            with suppress(OSError, Unavailable), self._room(digest) as target:
                self.inner.save(digest, target)
            found = self._held(digest)
        return found

    def _copied(self, digest: Digest, path: Path) -> bool:
        """Whether what is kept was written to a file; another process may have made room of it just now."""
        for copy in self._kept.find(digest):
            with suppress(Unavailable), saving(path) as draft:
                copy.copy_to(draft)
                return True
        return False

    @contextmanager
    def _room(self, digest: Digest) -> Iterator[Path]:
        """Where an object is to be kept; what comes to lie there counts."""
        target = self.folder / digest[:2] / digest
        target.parent.mkdir(parents=True, exist_ok=True)
        yield target
        with self._lock:
            if self._size_bytes < 0:
                self._size_bytes = sum(size for _, size, _ in self._files())
            else:
                self._size_bytes += target.stat().st_size
            if self._size_bytes > self._full_bytes:
                self._size_bytes = self._evict()
                # what is spared is not looked through again for each file that comes
                self._full_bytes = self._limit_bytes + max(self._size_bytes - round(self._limit_bytes * _FULL), 0)

    def _evict(self) -> int:
        """Remove what was used longest ago; how many bytes are left."""
        files = sorted(self._files())
        left = sum(size for _, size, _ in files)
        now_us = self._clock.now_us()
        for used_us, size, path in files:
            large = size >= _WHOLE_BYTES
            if left <= self._limit_bytes * _FULL:
                break
            if large and used_us > now_us - _SPARED_US:
                if used_us > now_us:  # the clock has gone back: an hour from now on
                    self._touch(str(path))
                continue
            with suppress(FileNotFoundError):
                path.unlink()
            left -= size
        return left

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """What is kept: when it was used last, its size, its path."""
        for path in self.folder.glob("??/*"):
            with suppress(FileNotFoundError):
                stat = path.stat()
                yield stat.st_mtime_ns // 1000, stat.st_size, path

    def _touch(self, file: str) -> None:
        """Note that a file was used, once in a while: a new time means that it is verified anew."""
        now_us = self._clock.now_us()
        with suppress(OSError):
            if not 0 <= now_us - os.stat(file).st_mtime_ns // 1000 <= _NOTED_US:  # noqa: PTH116 - at every read
                os.utime(file, ns=(now_us * 1000, now_us * 1000))
