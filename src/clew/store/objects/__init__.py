"""Objects: immutable bytes named by their BLAKE3 digest, in memory, in a folder, or in a bucket."""

from __future__ import annotations

from clew.store.objects.cached import CachedObjects
from clew.store.objects.local import LocalObjects
from clew.store.objects.memory import MemoryObjects
from clew.store.objects.remote import RemoteObjects

__all__ = ["CachedObjects", "LocalObjects", "MemoryObjects", "RemoteObjects"]
