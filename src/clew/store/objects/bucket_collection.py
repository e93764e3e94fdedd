"""Taking objects out of a bucket, and back: `clew.store.objects.collection.Collection` for `RemoteObjects`.

There are no locks, and none are needed: collectors that meet leave garbage to the next one. Whatever goes is copied,
within the bucket, before it goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from clew.core.contracts.objects import Objects
from clew.core.errors import NotFound
from clew.core.ids import Digest
from clew.store.objects.bucket import Stored
from clew.store.objects.bucket_object import digest_of, loose_key
from clew.store.objects.copies import first_sound
from clew.store.objects.disk import Draft
from clew.store.objects.folder import PackFolder
from clew.store.objects.pack import Pack
from clew.store.objects.remote import ARRIVING, PACKS, RemoteObjects

__all__ = ["BucketCollection"]

_THREADS = 16


class BucketCollection:
    """A store in a bucket.

    Args:
        objects: the store.
        cached: the same, with what is kept of it on this machine.
    """

    def __init__(self, objects: RemoteObjects, cached: Objects) -> None:
        self._objects, self._bucket = objects, objects.bucket
        self.missing, self.head, self.open = objects.missing, objects.head, objects.open
        self.size, self.get = cached.size, cached.get

    def stored(self) -> set[Digest]:
        return set(self._objects.list())

    def aside(self) -> set[Digest]:
        return {digest for each in self._objects.quarantine.generations() for digest in each.names()}

    def waiting_bytes(self) -> int:
        return sum(each.size_bytes for each in self._objects.quarantine.generations())

    def old_enough(self, digests: set[Digest], *, until_us: int) -> dict[Digest, int]:
        sizes: dict[Digest, int] = {}
        young: set[Digest] = set()

        def see(digest: Digest, size: int, stored: Stored) -> None:
            if digest in digests:
                sizes[digest] = sizes.get(digest, 0) + size
                young.update(() if stored.written_us < until_us else (digest,))

        written = {stored.key: stored for stored in self._bucket.list(PACKS)}
        self._objects.packs.refresh()
        for pack in self._objects.packs.all():
            stored = written.get(pack.path) or Stored(pack.path, 0, until_us)  # it has just come
            for entry in pack.entries():
                see(entry.name, entry.stored, stored)
        for digest, stored in self._objects.loose():
            see(digest, stored.size, stored)
        return {digest: size for digest, size in sizes.items() if digest not in young}

    def set_aside(self, digests: Iterable[Digest], *, now_us: int) -> None:
        gone = set(digests)
        if not gone:
            return
        self._objects.prepare()
        prefix = self._objects.quarantine.new(now_us)
        loose = [loose_key(digest) for digest, _ in self._objects.loose() if digest in gone]
        self._bucket.remove(self._copied((key, f"{prefix}/{key}") for key in loose))
        raw = {bytes.fromhex(digest) for digest in gone}
        self._objects.packs.refresh()
        for pack in self._objects.packs.all():
            out = {entry.digest for entry in pack.entries() if entry.digest in raw}
            with suppress(FileNotFoundError):  # another collector was faster
                if out:
                    self._split(pack, out, prefix)
        self._objects.packs.refresh()

    def take_back(self, digests: Iterable[Digest]) -> None:
        wanted = self._objects.missing(digests)
        for generation in self._objects.quarantine.generations():
            ours = wanted & generation.loose.keys()
            back = self._copied((generation.loose[digest], loose_key(digest)) for digest in ours)
            wanted.difference_update(digest_of(key) for key in back)
            with self._objects.batch() as batch:
                for digest in wanted & generation.packs.names():
                    with suppress(NotFound):  # another collector was faster
                        copies = generation.copies(digest)
                        batch.put(first_sound(digest, copies, generation.packs, lambda copy: copy.read()))
                        wanted.discard(digest)

    def expire(self, *, until_us: int) -> int:
        old = [each for each in self._bucket.list(ARRIVING) if each.written_us < self._objects.abandoned_us()]
        self._bucket.remove(each.key for each in old)
        freed = sum(each.size for each in old)
        for generation in self._objects.quarantine.generations():
            if generation.since_us < until_us:
                freed += generation.size_bytes
                self._bucket.remove(generation.keys)
        return freed

    def _split(self, pack: Pack, out: set[bytes], prefix: str) -> None:
        """Move entries of a pack: written anew in two parts, both stored before the pack goes."""
        if len(out) == len(pack):
            self._bucket.copy(pack.path, f"{prefix}/{pack.path}")
        else:
            with Draft(self._objects.drafts) as draft:  # one request, not one for each entry
                for piece in self._bucket.read_to(pack.path):
                    draft.write(piece)
                whole = Pack(str(draft.path), PackFolder(Path(draft.path).parent))
                aside = self._objects.quarantine.packs_at(prefix)
                aside.copy(whole, (entry for entry in whole.entries() if entry.digest in out))
                self._objects.packs.copy(whole, (entry for entry in whole.entries() if entry.digest not in out))
        self._objects.packs.place.remove(pack.path)

    def _copied(self, pairs: Iterable[tuple[str, str]]) -> list[str]:
        """Copy from key to key; the keys that were there to be copied: others a collector beside this one has taken."""

        def copy(pair: tuple[str, str]) -> str:
            with suppress(FileNotFoundError):
                self._bucket.copy(*pair)
                return pair[0]
            return ""

        with ThreadPoolExecutor(_THREADS, thread_name_prefix="clew-collect") as pool:
            return [key for key in pool.map(copy, pairs) if key]
