"""Objects: immutable bytes named by their BLAKE3 digest. Design: docs/design/objects.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from clew.core.ids import Digest

__all__ = ["ObjectBatch", "Objects"]


class ObjectBatch(Protocol):
    """Many small objects that become durable together, at the end of the `with` block."""

    def put(self, data: bytes) -> Digest:
        """Add bytes; readable by others only after the block has ended."""
        ...


class Objects(Protocol):
    """A store of immutable bytes.

    Threads and processes may share one store. `put` of bytes that are there already does nothing. A put that
    returned survives *power* (fsync before return), and is visible to every later reader; a crash leaves no half
    object that can be read. Every read is verified against the digest.

    Errors: `NotFound` for a digest that is not stored, `Corrupt` for bytes that do not match their name,
    `Unavailable` when the disk is full or does not answer.
    """

    def put(self, data: bytes) -> Digest:
        """Store bytes and return their digest."""
        ...

    def put_file(self, path: Path) -> Digest:
        """Store a file's bytes, streamed; constant memory. `Conflict` if the file changes while it is read."""
        ...

    def batch(self) -> AbstractContextManager[ObjectBatch]:
        """Store many small objects with one fsync: they go into a pack. Nothing is stored if the block raises."""
        ...

    def get(self, digest: Digest) -> bytes:
        """The whole object."""
        ...

    def open(self, digest: Digest) -> BinaryIO:
        """A seekable handle to read from; verified at the latest when it has been read to its end."""
        ...

    def save(self, digest: Digest, path: Path) -> None:
        """Write the object to a file outside the store, atomically (a temporary name, then a rename)."""
        ...

    def size(self, digest: Digest) -> int:
        """Size in bytes."""
        ...

    def find_path(self, digest: Digest) -> Path | None:
        """A file that holds just the object's bytes, verified now, to read from and never to write to.

        None when the store keeps none (packed, compressed, remote): use `open`, `get` or `save`.
        """
        ...

    def find_url(self, digest: Digest, *, valid_s: int = 900) -> str | None:
        """An address from which anyone can fetch just the object's bytes for so many seconds.

        None when the store gives none: it is no bucket, or the object lies in a pack, or is not there. Whoever fetches
        verifies the bytes.
        """
        ...

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        """Which of these are not stored."""
        ...

    def list(self, *, after: str = "") -> Iterator[Digest]:
        """Every stored digest behind another one, once and in order, read as it is asked for.

        What is stored or deleted meanwhile may be among them or not.

        Args:
            after: a digest, stored or not; empty to begin with the first one.
        """
        ...

    def delete(self, digests: Iterable[Digest]) -> None:
        """Remove objects (garbage collection only). Those that are not there are ignored."""
        ...
