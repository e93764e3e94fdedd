"""What a collector asks of a store of objects, wherever that is: what it takes is not decided here.

At each instant, and after a crash at any, an object is in the store, or in the quarantine, or in both: it has its new
place before it loses the old one. Ordering: docs/design/collection.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, Protocol

from clew.core.contracts.objects import Objects
from clew.core.errors import Invalid
from clew.core.ids import Digest
from clew.store.objects.bucket_collection import BucketCollection
from clew.store.objects.cached import CachedObjects
from clew.store.objects.local import LocalObjects
from clew.store.objects.local_collection import LocalCollection
from clew.store.objects.remote import RemoteObjects

__all__ = ["Collection", "collection_of"]


class Collection(Protocol):
    """A store and its quarantine. What is read may lie in either."""

    def stored(self) -> set[Digest]:
        """Everything in the store. `Corrupt` where that cannot be known."""
        ...

    def aside(self) -> set[Digest]:
        """Everything in the quarantine."""
        ...

    def waiting_bytes(self) -> int:
        """What the quarantine takes."""
        ...

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        """Which of these are not in the store."""
        ...

    def size(self, digest: Digest) -> int:
        """Size in bytes."""
        ...

    def head(self, digest: Digest, length: int) -> bytes:
        """The first bytes, unverified."""
        ...

    def get(self, digest: Digest) -> bytes:
        """The whole object."""
        ...

    def open(self, digest: Digest) -> BinaryIO:
        """A handle to read from."""
        ...

    def old_enough(self, digests: set[Digest], *, until_us: int) -> dict[Digest, int]:
        """Those of which every copy was written before a time, with what they take."""
        ...

    def set_aside(self, digests: Iterable[Digest], *, now_us: int) -> None:
        """Move objects into the quarantine."""
        ...

    def take_back(self, digests: Iterable[Digest]) -> None:
        """Put objects that were set aside back into the store, where they are missing."""
        ...

    def expire(self, *, until_us: int) -> int:
        """Delete what was set aside before a time; how many bytes that frees."""
        ...


def collection_of(objects: Objects) -> Collection:
    """The store behind some objects, for a collector.

    Raises:
        Invalid: it is neither a folder nor a bucket.
    """
    inner = objects.inner if isinstance(objects, CachedObjects) else objects
    if isinstance(inner, LocalObjects):
        return LocalCollection(inner)
    if isinstance(inner, RemoteObjects):
        return BucketCollection(inner, objects)
    raise Invalid("the objects of this project cannot be collected from here", hint="do this where they are")
