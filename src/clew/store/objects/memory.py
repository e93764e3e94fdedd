"""Objects in memory: for tests, and the plainest reading of the contract. Nothing outlives the process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from clew.core.errors import Corrupt, NotFound
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.store.objects.disk import saving
from clew.store.objects.names import checked
from clew.store.objects.source import open_source

__all__ = ["MemoryObjects"]


class MemoryObjects:
    """An `Objects` that holds everything in a dictionary. Threads may share one."""

    def __init__(self) -> None:
        self._held: dict[Digest, bytes] = {}
        self._lock = threading.Lock()

    def put(self, data: bytes) -> Digest:
        digest = hash_bytes(data)
        with self._lock:
            self._held.setdefault(digest, bytes(data))
        return digest

    def put_file(self, path: Path) -> Digest:
        with open_source(path) as source:
            return self.put(b"".join(source.chunks()))

    @contextmanager
    def batch(self) -> Iterator[MemoryBatch]:
        batch = MemoryBatch()
        yield batch
        with self._lock:
            self._held |= batch.held

    def get(self, digest: Digest) -> bytes:
        data = self._held.get(checked(digest))
        if data is None:
            raise NotFound("object", digest)
        if hash_bytes(data) != digest:
            raise Corrupt(f"object {digest} does not match its name")
        return data

    def open(self, digest: Digest) -> BinaryIO:
        return BytesIO(self.get(digest))

    def save(self, digest: Digest, path: Path) -> None:
        data = self.get(digest)
        with saving(path) as draft:
            draft.write(data)

    def size(self, digest: Digest) -> int:
        return len(self.get(digest))

    def find_path(self, digest: Digest) -> Path | None:
        self.get(digest)
        return None

    def find_url(self, digest: Digest, *, valid_s: int = 900) -> str | None:  # noqa: ARG002 - memory has no addresses
        checked(digest)
        return None

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        return {digest for digest in digests if checked(digest) not in self._held}

    def list(self, *, after: str = "") -> Iterator[Digest]:
        start = after and checked(Digest(after))
        yield from sorted(digest for digest in list(self._held) if digest > start)

    def delete(self, digests: Iterable[Digest]) -> None:
        with self._lock:
            for digest in digests:
                self._held.pop(checked(digest), None)


class MemoryBatch:
    """What a batch has collected."""

    def __init__(self) -> None:
        self.held: dict[Digest, bytes] = {}

    def put(self, data: bytes) -> Digest:
        digest = hash_bytes(data)
        self.held[digest] = bytes(data)
        return digest
