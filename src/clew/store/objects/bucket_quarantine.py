"""What collections of a bucket set aside: below `quarantine/<microseconds>/`, laid out as the store is.

Design: docs/design/collection.md. A generation is the keys that it has; deleting half of it leaves the other half.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clew.core.ids import Digest
from clew.store.objects.bucket import Bucket, Stored
from clew.store.objects.bucket_object import BucketObject, digest_of
from clew.store.objects.bucket_packs import BucketPacks
from clew.store.objects.packs import PackedObject, Packs
from clew.store.objects.quarantine import name_of

__all__ = ["BucketGeneration", "BucketQuarantine"]

_ROOT = "quarantine"


@dataclass(frozen=True)
class BucketGeneration:
    """What one collection set aside.

    Attributes:
        since_us: when that was.
        stored: its keys, with their sizes.
        loose: the keys of objects with keys of their own.
        packs: the others.
    """

    bucket: Bucket
    since_us: int
    stored: list[Stored]
    loose: dict[Digest, str]
    packs: Packs

    @property
    def keys(self) -> list[str]:
        """Everything of it."""
        return [each.key for each in self.stored]

    @property
    def size_bytes(self) -> int:
        """What it takes."""
        return sum(each.size for each in self.stored)

    def copies(self, digest: Digest) -> Iterator[BucketObject | PackedObject]:
        """Every copy of an object."""
        yield from self.packs.find(bytes.fromhex(digest))
        if digest in self.loose:
            yield BucketObject(self.bucket, digest, self.loose[digest])

    def names(self) -> set[Digest]:
        """Every digest that can be read."""
        return {*self.loose, *self.packs.names()}


class BucketQuarantine:
    """All that is set aside in a bucket.

    Args:
        bucket: where.
        kept: a local folder for indices of packs.
        drafts: a local folder in which packs are written.
    """

    def __init__(self, bucket: Bucket, kept: Path, drafts: Path) -> None:
        self._bucket, self._kept, self._drafts = bucket, kept, drafts

    def new(self, now_us: int) -> str:
        """The prefix of the keys of a new generation, of a time that no other one has."""
        return f"{_ROOT}/{name_of(now_us, {each.since_us for each in self.generations()})}"

    def generations(self) -> list[BucketGeneration]:
        """Every generation, oldest first."""
        found: dict[str, list[Stored]] = {}
        for stored in self._bucket.list(_ROOT):
            name = stored.key.split("/")[1]
            if name.isdecimal():
                found.setdefault(name, []).append(stored)
        return [self._generation(name, stored) for name, stored in sorted(found.items())]

    def copies(self, digest: Digest) -> Iterator[BucketObject | PackedObject]:
        """Every copy of an object that is set aside."""
        for generation in self.generations():
            yield from generation.copies(digest)

    def packs_at(self, prefix: str) -> Packs:
        """The packs of a generation."""
        return Packs(BucketPacks(self._bucket, f"{prefix}/packs", self._kept), self._drafts, vouched=True)

    def _generation(self, name: str, stored: list[Stored]) -> BucketGeneration:
        prefix = f"{_ROOT}/{name}"
        loose = {digest: each.key for each in stored if (digest := digest_of(each.key))}
        return BucketGeneration(self._bucket, int(name), stored, loose, self.packs_at(prefix))
