"""Objects in a bucket: the layout of a folder (docs/design/objects.md), under keys instead of paths.

Loose objects are written by one request each, packs too, so that nobody ever sees half of one. There is no lock:
deleters that meet take out less than they wanted, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from clew.core.clock import Clock, SystemClock
from clew.core.errors import Corrupt
from clew.core.hashing import Hasher, hash_bytes
from clew.core.ids import Digest
from clew.store.objects.batch import PackBatch
from clew.store.objects.bucket import Bucket, Stored
from clew.store.objects.bucket_object import BucketObject, digest_of, loose_key
from clew.store.objects.bucket_packs import BucketPacks
from clew.store.objects.bucket_quarantine import BucketQuarantine
from clew.store.objects.copies import copies, first_sound
from clew.store.objects.damage import damage
from clew.store.objects.disk import Draft, disk_errors, saving, sweep_drafts
from clew.store.objects.names import checked, in_order
from clew.store.objects.packs import PackedObject, Packs
from clew.store.objects.source import open_source

__all__ = ["ARRIVING", "PACKS", "RemoteObjects"]

T = TypeVar("T")

PACKS, ARRIVING, _LOOSE = "packs", "arriving", "loose"
_ABANDONED_US, _FORGOTTEN_US = 3600 * 1_000_000, 24 * 3600 * 1_000_000
_SMALL_BYTES = 1 << 20
_MANY, _THREADS = 64, 16
_LISTED = 1000
"""Keys that one request lists."""


class RemoteObjects:
    """An `Objects` in a bucket. Threads, processes and machines may share it.

    Args:
        bucket: where everything is stored, below its `loose/` and `packs/`.
        folder: on this machine, for what is being written and for indices of packs; nothing there is kept for long.
        clock: tells how old an abandoned draft is.
        pack_bytes: a batch starts a new pack when the last one has reached this length.

    `packs`, `quarantine` and `drafts` are its parts, for what collects from it.
    """

    def __init__(self, bucket: Bucket, folder: Path, *, clock: Clock | None = None, pack_bytes: int = 32 << 20) -> None:
        self.bucket, self.folder = bucket, folder
        self._clock = clock or SystemClock()
        self._pack_bytes = pack_bytes
        self.drafts = folder / "drafts"
        self.packs = Packs(BucketPacks(bucket, PACKS, folder / "indices"), self.drafts, vouched=True)
        self.quarantine = BucketQuarantine(bucket, folder / "indices", self.drafts)
        self._ready = False

    def put(self, data: bytes) -> Digest:
        digest = hash_bytes(data)
        if not self._stored(digest):
            self.bucket.write(loose_key(digest), bytes(data))
        return digest

    def put_file(self, path: Path) -> Digest:
        """Uploaded from a copy, which nobody changes meanwhile."""
        with open_source(path) as source, disk_errors(f"store {path} in {self.folder}"):
            if source.size_bytes < _SMALL_BYTES:
                return self.put(b"".join(source.chunks()))
            self.prepare()
            hasher = Hasher()
            with Draft(self.drafts) as draft:
                for chunk in source.chunks():
                    hasher.update(chunk)
                    draft.write(chunk)
                digest = Digest(hasher.hexdigest())
                if not self._stored(digest):
                    self.bucket.write(loose_key(digest), Path(draft.path))
        return digest

    @contextmanager
    def batch(self) -> Iterator[PackBatch]:
        with disk_errors(f"store a batch in {self.folder}"):
            self.prepare()
            self.packs.refresh()
            batch = PackBatch(self.packs, None, self._pack_bytes)
        try:
            yield batch
            with disk_errors(f"store a batch in {self.folder}"):
                batch.commit()
        finally:
            batch.discard()

    def get(self, digest: Digest) -> bytes:
        return self._first(digest, lambda copy: copy.read())

    def open(self, digest: Digest) -> BinaryIO:
        return self._first(digest, lambda copy: copy.open())

    def save(self, digest: Digest, path: Path) -> None:
        def copy_out(copy: BucketObject | PackedObject) -> None:
            draft.restart()
            copy.copy_to(draft)

        with saving(path) as draft:
            self._first(digest, copy_out)

    def head(self, digest: Digest, length: int) -> bytes:
        """The first bytes of an object, unverified."""
        return self._first(digest, lambda copy: copy.head(length))

    def size(self, digest: Digest) -> int:
        return self._first(digest, lambda copy: copy.size)

    def find_path(self, digest: Digest) -> Path | None:
        self.size(digest)
        return None

    def find_url(self, digest: Digest, *, valid_s: int = 900) -> str | None:
        """An address for a loose object, where the bucket can sign one."""
        key = loose_key(checked(digest))
        return self.bucket.find_url(key, valid_s=valid_s) if self.bucket.holds(key) else None

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        wanted = {checked(digest) for digest in digests}
        if not wanted:
            return set()
        self.packs.refresh()
        seen = self.packs.seen()
        left = sorted(digest for digest in wanted if not self.packs.listed(bytes.fromhex(digest), seen))
        return self._not_loose(left) if left else set()

    def list(self, *, after: str = "") -> Iterator[Digest]:
        start = after and checked(Digest(after))
        loose = (digest for digest, _ in self.loose(after=start))
        yield from in_order(self.packs.list(after=start), loose)

    def delete(self, digests: Iterable[Digest]) -> None:
        gone = {checked(digest) for digest in digests}
        with disk_errors(f"delete from {self.bucket.address}"):
            self.prepare()
            self.bucket.remove(loose_key(digest) for digest in gone)
            self.packs.remove({bytes.fromhex(digest) for digest in gone})

    def check(self) -> Iterator[tuple[Digest, Corrupt | None]]:
        """Read every copy of every object, in no order: its digest, and what is wrong with that copy.

        A pack whose index cannot be read is told of with an empty digest: what it holds is not known.
        """
        yield from self.packs.check()
        for digest, _ in self.loose():
            with suppress(FileNotFoundError):  # a collector has moved it meanwhile
                yield digest, damage(BucketObject(self.bucket, digest, loose_key(digest)).verify)

    def loose(self, *, after: str = "") -> Iterator[tuple[Digest, Stored]]:
        """The objects that have keys of their own, in order, behind another one."""
        for stored in self.bucket.list(_LOOSE, after=loose_key(Digest(after)) if after else ""):
            digest = digest_of(stored.key)
            if digest and stored.key == loose_key(digest):
                yield digest, stored

    def abandoned_us(self) -> int:
        """What came past the server before this time, and was never asked to be taken in, will not be."""
        return self._clock.now_us() - _FORGOTTEN_US

    def _not_loose(self, digests: Sequence[Digest]) -> set[Digest]:
        """Which of these, which are in order, have no keys of their own.

        Many are sought in a list of what lies between them, until that has cost what it does to look for each of them.
        """
        absent, end = set(digests), ""
        if len(digests) >= _MANY:
            end = digests[-1]
            for count, (digest, _) in enumerate(self.loose(after=digests[0]), 1):
                absent.discard(digest)
                if digest >= end or count >= len(digests) * _LISTED // _THREADS:
                    end = min(end, digest)
                    break
        left = [digests[0], *(digest for digest in digests[1:] if digest > end)]
        with ThreadPoolExecutor(min(_THREADS, len(left)), thread_name_prefix="clew-look") as pool:
            there = pool.map(lambda digest: self.bucket.holds(loose_key(digest)), left)
            return absent.difference(digest for digest, found in zip(left, there, strict=True) if found)

    def _stored(self, digest: Digest) -> bool:
        """Whether an object is there. A bucket vouches for its bytes, so loose ones are not read again."""
        return self.packs.holds(bytes.fromhex(digest)) or self.bucket.holds(loose_key(digest))

    def _first(self, digest: Digest, use: Callable[[BucketObject | PackedObject], T]) -> T:
        return first_sound(digest, self._copies(checked(digest)), self.packs, use)

    def _copies(self, digest: Digest) -> Iterator[BucketObject | PackedObject]:
        yield from copies(digest, self.packs, self._loose_of)
        yield from self.quarantine.copies(digest)  # named a moment too late: the next collection takes it back
        yield from copies(digest, self.packs, self._loose_of)  # or has just done so

    def _loose_of(self, digest: Digest) -> Iterable[BucketObject]:
        return [BucketObject(self.bucket, digest, loose_key(digest))]

    def prepare(self) -> None:
        """Make the local folder, once a process, and remove what killed writers left."""
        if not self._ready:
            self.drafts.mkdir(parents=True, exist_ok=True)
            sweep_drafts(self.drafts, now_us=self._clock.now_us(), older_than_us=_ABANDONED_US)
            self._ready = True
