"""Objects in a folder of this machine: loose files for large ones, packs for many small ones.

Formats and reasoning: docs/design/objects.md. Locks are taken by `delete` alone: everything else is safe by the order
in which things are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TypeVar

from clew.core.clock import Clock, SystemClock
from clew.core.errors import Corrupt
from clew.core.hashing import Hasher, hash_bytes, hash_file
from clew.core.ids import Digest
from clew.store.objects.batch import PackBatch
from clew.store.objects.copies import copies, first_sound
from clew.store.objects.damage import damage
from clew.store.objects.disk import Draft, disk_errors, locked, saving, sweep_drafts, sync_folder
from clew.store.objects.folder import PackFolder
from clew.store.objects.frames import FRAME_BYTES, frames, worth_shrinking
from clew.store.objects.loose import Loose, LooseObject
from clew.store.objects.names import checked, in_order
from clew.store.objects.packs import PackedObject, Packs
from clew.store.objects.quarantine import Quarantine
from clew.store.objects.source import Source, open_source

__all__ = ["LocalObjects"]

T = TypeVar("T")

_ABANDONED_US = 3600 * 1_000_000
_MANY = 256
"""From so many look-ups on, a filter over all packs is worth its making."""


class LocalObjects:
    """An `Objects` in a folder. Threads and processes may share the folder.

    Args:
        folder: made when it is first written to.
        clock: tells how old an abandoned draft is.
        pack_bytes: a batch starts a new pack when the last one has reached this length.

    `loose`, `packs` and `quarantine` are its parts, for what collects from it or copies all of it.
    """

    def __init__(self, folder: Path, *, clock: Clock | None = None, pack_bytes: int = 32 << 20) -> None:
        self.folder = folder
        self._clock = clock or SystemClock()
        self._pack_bytes = pack_bytes
        self._drafts = folder / "drafts"
        self.loose = Loose(folder / "loose")
        self.packs = Packs(PackFolder(folder / "packs"), self._drafts)
        self.quarantine = Quarantine(folder / "quarantine", self._drafts)
        self._ready = False

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep others from deleting, collecting and copying all of it meanwhile. Writers and readers go on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / "delete.lock"):
            yield

    def put(self, data: bytes) -> Digest:
        digest = hash_bytes(data)
        with disk_errors(f"store {len(data)} bytes in {self.folder}"):
            if not self._settled(digest):
                pieces = (data[at : at + FRAME_BYTES] for at in range(0, len(data), FRAME_BYTES))
                self._write(pieces, small=len(data) < 64)
        return digest

    def put_file(self, path: Path) -> Digest:
        with open_source(path) as source, disk_errors(f"store {path} in {self.folder}"):
            if source.size_bytes < FRAME_BYTES:
                return self.put(b"".join(source.chunks()))
            return self._clone(source) or self._write(source.chunks(), small=False)

    @contextmanager
    def batch(self) -> Iterator[PackBatch]:
        with disk_errors(f"store a batch in {self.folder}"):
            self._prepare()
            self.packs.refresh()
            batch = PackBatch(self.packs, self.loose, self._pack_bytes)
        try:
            yield batch
            with disk_errors(f"store a batch in {self.folder}"):
                batch.commit()
        finally:
            batch.discard()

    def get(self, digest: Digest) -> bytes:
        with self._reading(digest):
            return self._first(digest, lambda copy: copy.read())

    def open(self, digest: Digest) -> BinaryIO:
        with self._reading(digest):
            return self._first(digest, lambda copy: copy.open())

    def save(self, digest: Digest, path: Path) -> None:
        def copy_out(copy: LooseObject | PackedObject) -> None:
            draft.restart()
            copy.copy_to(draft)

        with saving(path) as draft:
            self._first(digest, copy_out)

    def head(self, digest: Digest, length: int) -> bytes:
        """The first bytes of an object, as they lie there: to see what it is, not to use it."""
        with self._reading(digest):
            return self._first(digest, lambda copy: copy.head(length))

    def size(self, digest: Digest) -> int:
        with self._reading(digest):
            return self._first(digest, lambda copy: copy.size)

    def find_path(self, digest: Digest) -> Path | None:
        with self._reading(digest):
            return self._first(digest, lambda copy: copy.path)

    def find_url(self, digest: Digest, *, valid_s: int = 900) -> str | None:  # noqa: ARG002 - a folder has no addresses
        checked(digest)
        return None

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        wanted = {checked(digest) for digest in digests}
        with disk_errors(f"look into {self.folder}"):
            self.packs.refresh()
            shards = self.loose.shards()
            seen = self.packs.seen() if len(wanted) >= _MANY else None
            return {
                digest
                for digest in wanted
                if not (digest[:2] in shards and any(self.loose.find(digest)))
                and not self.packs.listed(bytes.fromhex(digest), seen)
            }

    def list(self, *, after: str = "") -> Iterator[Digest]:
        start = after and checked(Digest(after))
        with disk_errors(f"look into {self.folder}"):
            yield from in_order(self.loose.list(after=start), self.packs.list(after=start))

    def check(self) -> Iterator[tuple[Digest, Corrupt | None]]:
        """Read every copy of every object, in no order: its digest, and what is wrong with that copy.

        A pack whose index cannot be read is told of with an empty digest: what it holds is not known.
        """
        with disk_errors(f"look into {self.folder}"):
            yield from self.packs.check()
            for digest in self.loose.list():
                for copy in self.loose.find(digest):
                    with suppress(FileNotFoundError):  # a collector has moved it meanwhile
                        yield digest, damage(copy.verify, f"object {digest} in {copy.file}")

    def delete(self, digests: Iterable[Digest]) -> None:
        with disk_errors(f"delete from {self.folder}"):
            self._prepare()
            with self.exclusive():
                gone = {checked(digest) for digest in digests}
                for digest in gone:
                    self.loose.remove(digest)
                self.packs.remove({bytes.fromhex(digest) for digest in gone})

    def _write(self, pieces: Iterable[bytes], *, small: bool) -> Digest:
        """Write a loose object from pieces of at most `FRAME_BYTES`; nothing happens when it is there already."""
        self._prepare()
        pieces = iter(pieces)
        first = next(pieces, b"")
        compressed = not small and worth_shrinking(first)
        hasher = Hasher()

        def hashed() -> Iterator[bytes]:
            for piece in chain([first], pieces):
                hasher.update(piece)
                yield piece

        with Draft(self._drafts) as draft:
            for stored in frames(hashed()) if compressed else hashed():
                draft.write(stored)
            digest = Digest(hasher.hexdigest())
            if not self._settled(digest):
                draft.sync()
                self.loose.publish(draft, digest, compressed=compressed)
        return digest

    def _clone(self, source: Source) -> Digest | None:
        """Store a reflink of a file, which costs no space and is a snapshot; None where there are none."""
        self._prepare()
        with Draft(self._drafts) as draft:
            if not draft.clone(source.file):
                return None
            digest = hash_file(Path(draft.path))
            if not self._settled(digest):
                draft.sync()
                self.loose.publish(draft, digest, compressed=False)
        return digest

    def _settled(self, digest: Digest) -> bool:
        """Whether a sound copy is there, and will be after a loss of power."""
        if self.loose.holds(digest):
            self.loose.settle(digest)
            return True
        if self.packs.holds(bytes.fromhex(digest)):
            self.packs.place.settle()
            return True
        return False

    def _reading(self, digest: Digest) -> AbstractContextManager[None]:
        return disk_errors(f"read object {digest} in {self.folder}")

    def _first(self, digest: Digest, use: Callable[[LooseObject | PackedObject], T]) -> T:
        """What `use` makes of the first copy that is sound."""
        return first_sound(digest, self._copies(checked(digest)), self.packs, use)

    def _copies(self, digest: Digest) -> Iterator[LooseObject | PackedObject]:
        yield from copies(digest, self.packs, self.loose.find)
        yield from self.quarantine.copies(digest)  # named a moment too late: the next collection takes it back
        yield from copies(digest, self.packs, self.loose.find)  # or has just done so

    def _prepare(self) -> None:
        """Make the folders, once a process, and remove what killed writers left."""
        if self._ready:
            return
        for folder in (self.folder / "loose", self.folder / "packs", self._drafts):
            folder.mkdir(parents=True, exist_ok=True)
        sync_folder(self.folder)
        sync_folder(self.folder.parent)
        sweep_drafts(self._drafts, now_us=self._clock.now_us(), older_than_us=_ABANDONED_US)
        self._ready = True
