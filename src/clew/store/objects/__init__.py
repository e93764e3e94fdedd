"""Objects: immutable bytes named by their BLAKE3 digest, in memory or in a folder."""

from __future__ import annotations

from clew.store.objects.local import LocalObjects
from clew.store.objects.memory import MemoryObjects

__all__ = ["LocalObjects", "MemoryObjects"]
