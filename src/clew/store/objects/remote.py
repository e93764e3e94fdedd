"""Objects in a bucket: the layout of a folder (docs/design/objects.md), under keys instead of paths.

Loose objects are written by one request each, packs too, so that nobody ever sees half of one. There is no lock:
deleters that meet take out less than they wanted, and nothing else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from clew.core.clock import Clock, SystemClock
from clew.core.errors import Corrupt
from clew.core.hashing import Hasher, hash_bytes
from clew.core.ids import Digest
from clew.store.objects.batch import PackBatch
from clew.store.objects.bucket import Bucket
from clew.store.objects.bucket_packs import BucketPacks
from clew.store.objects.copies import Copy, copies, damage, first_sound
from clew.store.objects.disk import Draft, disk_errors, saving, sweep_drafts
from clew.store.objects.names import checked
from clew.store.objects.packs import Packs
from clew.store.objects.source import open_source

__all__ = ["RemoteObjects"]

T = TypeVar("T")

_ABANDONED_US = 3600 * 1_000_000
_SMALL_BYTES = 1 << 20
_MANY, _THREADS = 64, 16


class RemoteObjects:
    """An `Objects` in a bucket. Threads, processes and machines may share it.

    Args:
        bucket: where everything is stored, below its `loose/` and `packs/`.
        folder: on this machine, for what is being written and for indices of packs; nothing there is kept for long.
        clock: tells how old an abandoned draft is.
        pack_bytes: a batch starts a new pack when the last one has reached this length.
    """

    def __init__(self, bucket: Bucket, folder: Path, *, clock: Clock | None = None, pack_bytes: int = 32 << 20) -> None:
        self.bucket, self.folder = bucket, folder
        self._clock = clock or SystemClock()
        self._pack_bytes = pack_bytes
        self._drafts = folder / "drafts"
        self._packs = Packs(BucketPacks(bucket, "packs", folder / "indices"), self._drafts, vouched=True)
        self._ready = False

    def put(self, data: bytes) -> Digest:
        digest = hash_bytes(data)
        if not self._stored(digest):
            self.bucket.write(_key(digest), bytes(data))
        return digest

    def put_file(self, path: Path) -> Digest:
        """Uploaded from a copy, which nobody changes meanwhile."""
        with open_source(path) as source, disk_errors(f"store {path} in {self.folder}"):
            if source.size_bytes < _SMALL_BYTES:
                return self.put(b"".join(source.chunks()))
            self._prepare()
            hasher = Hasher()
            with Draft(self._drafts) as draft:
                for chunk in source.chunks():
                    hasher.update(chunk)
                    draft.write(chunk)
                digest = Digest(hasher.hexdigest())
                if not self._stored(digest):
                    self.bucket.write(_key(digest), Path(draft.path))
        return digest

    @contextmanager
    def batch(self) -> Iterator[PackBatch]:
        with disk_errors(f"store a batch in {self.folder}"):
            self._prepare()
            self._packs.refresh()
            batch = PackBatch(self._packs, None, self._pack_bytes)
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
        def copy_out(copy: Copy) -> None:
            draft.restart()
            copy.copy_to(draft)

        with saving(path) as draft:
            self._first(digest, copy_out)

    def size(self, digest: Digest) -> int:
        return self._first(digest, lambda copy: copy.size)

    def find_path(self, digest: Digest) -> Path | None:
        self.size(digest)
        return None

    def find_url(self, digest: Digest, *, valid_s: int = 900) -> str | None:
        """An address for a loose object, where the bucket can sign one."""
        key = _key(checked(digest))
        return self.bucket.find_url(key, valid_s=valid_s) if self.bucket.holds(key) else None

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        wanted = {checked(digest) for digest in digests}
        if not wanted:
            return set()
        self._packs.refresh()
        seen = self._packs.seen()
        left = [digest for digest in wanted if not self._packs.listed(bytes.fromhex(digest), seen)]
        if len(left) >= _MANY:
            return set(left) - set(self._loose())
        if not left:
            return set()
        with ThreadPoolExecutor(min(_THREADS, len(left)), thread_name_prefix="clew-look") as pool:
            there = pool.map(lambda digest: self.bucket.holds(_key(digest)), left)
            return {digest for digest, found in zip(left, there, strict=True) if not found}

    def list(self) -> Iterator[Digest]:
        self._packs.refresh()
        for broken in self._packs.broken.values():
            raise broken
        given: set[Digest] = set()
        for pack in self._packs.all():
            for entry in pack.entries():
                digest = Digest(entry.digest.hex())
                if digest not in given:
                    given.add(digest)
                    yield digest
        yield from (digest for digest in self._loose() if digest not in given)

    def delete(self, digests: Iterable[Digest]) -> None:
        gone = {checked(digest) for digest in digests}
        with disk_errors(f"delete from {self.bucket.address}"):
            self._prepare()
            self.bucket.remove(_key(digest) for digest in gone)
            self._packs.remove({bytes.fromhex(digest) for digest in gone})

    def check(self) -> Iterator[tuple[Digest, Corrupt | None]]:
        """Read every copy of every object, in no order: its digest, and what is wrong with that copy."""
        self._packs.refresh()
        for broken in self._packs.broken.values():
            yield Digest(""), broken
        for pack in self._packs.all():
            for entry in pack.entries():
                digest = Digest(entry.digest.hex())
                yield digest, damage(partial(pack.read, entry))
        for digest in self._loose():
            yield digest, damage(BucketObject(self.bucket, digest).verify)

    def _loose(self) -> Iterator[Digest]:
        for key, _ in self.bucket.list("loose"):
            digest = key.rpartition("/")[2]
            if len(digest) == 64:
                yield Digest(digest)

    def _stored(self, digest: Digest) -> bool:
        """Whether an object is there. A bucket vouches for its bytes, so loose ones are not read again."""
        return self._packs.holds(bytes.fromhex(digest)) or self.bucket.holds(_key(digest))

    def _first(self, digest: Digest, use: Callable[[Copy], T]) -> T:
        found: Iterator[Copy] = copies(checked(digest), self._packs, self._loose_of)
        return first_sound(digest, found, self._packs, use)

    def _loose_of(self, digest: Digest) -> Iterable[BucketObject]:
        return [BucketObject(self.bucket, digest)]

    def _prepare(self) -> None:
        """Make the local folder, once a process, and remove what killed writers left."""
        if not self._ready:
            self._drafts.mkdir(parents=True, exist_ok=True)
            sweep_drafts(self._drafts, now_us=self._clock.now_us(), older_than_us=_ABANDONED_US)
            self._ready = True


@dataclass(frozen=True)
class BucketObject:
    """One object under a key of its own, which may be missing (`FileNotFoundError`)."""

    bucket: Bucket
    digest: Digest

    @property
    def size(self) -> int:
        """Bytes."""
        return self.bucket.size(_key(self.digest))

    def read(self) -> bytes:
        """The verified bytes."""
        data = self.bucket.read(_key(self.digest))
        if Hasher(data, max_threads=Hasher.AUTO).hexdigest() != self.digest:
            raise self._mismatch()
        return data

    def open(self) -> BinaryIO:
        """A file of this machine with the verified bytes, which is gone when it is closed."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        try:
            self._pour(file)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def copy_to(self, draft: Draft) -> None:
        """Write the verified bytes."""
        self._pour(draft)

    def verify(self) -> None:
        """Read everything against the digest."""
        self._pour(None)

    def _pour(self, target: BinaryIO | Draft | None) -> None:
        hasher = Hasher()
        for chunk in self.bucket.read_to(_key(self.digest)):
            hasher.update(chunk)
            if target is not None:
                target.write(chunk)
        if hasher.hexdigest() != self.digest:
            raise self._mismatch()

    def _mismatch(self) -> Corrupt:
        return Corrupt(f"object {self.digest} in {self.bucket.address} does not match its name")


def _key(digest: Digest) -> str:
    return f"loose/{digest[:2]}/{digest}"
