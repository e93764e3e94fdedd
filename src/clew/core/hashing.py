"""BLAKE3, the one hash of clew: objects, manifests, cache keys, events."""

from __future__ import annotations

from pathlib import Path

from blake3 import blake3

from clew.core.ids import Digest

__all__ = ["Hasher", "hash_bytes", "hash_file"]

Hasher = blake3


def hash_bytes(data: bytes | bytearray | memoryview) -> Digest:
    """The digest of bytes in memory."""
    return Digest(blake3(data).hexdigest())


def hash_file(path: Path) -> Digest:
    """The digest of a file's bytes; memory-mapped, so that its size does not matter.

    Raises:
        OSError: the file cannot be read.
    """
    hasher = blake3()
    hasher.update_mmap(path)
    return Digest(hasher.hexdigest())
