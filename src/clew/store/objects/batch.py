"""Many small objects that are stored together: they fill packs, which become visible when the batch ends."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from clew.core.errors import Invalid
from clew.core.hashing import Hasher
from clew.core.ids import Digest
from clew.store.objects.disk import unavailable
from clew.store.objects.frames import shrink
from clew.store.objects.loose import Loose
from clew.store.objects.pack import PACKED_MAX_BYTES, PackDraft
from clew.store.objects.packs import Packs

__all__ = ["PackBatch"]


class PackBatch:
    """An `ObjectBatch` that fills packs. Threads may share one.

    A pack that has reached its length is sealed and synchronised in the background while the next one fills.

    Args:
        packs: where they go.
        loose: where an object may lie already; None where to look costs a journey for each.
        pack_bytes: the length of a full one.
    """

    def __init__(self, packs: Packs, loose: Loose | None, pack_bytes: int) -> None:
        self._packs, self._loose, self._pack_bytes = packs, loose, pack_bytes
        self._shards = loose.shards() if loose is not None else set()
        self._seen = packs.seen()
        self._lock = threading.Lock()
        self._new: set[bytes] = set()
        self._found: dict[str, Digest] = {}
        self._open: PackDraft | None = None
        self._full: list[tuple[PackDraft, Future[str]]] = []
        self._sealer: ThreadPoolExecutor | None = None
        self._ended = False

    def put(self, data: bytes) -> Digest:
        hasher = Hasher(data)
        raw, digest = hasher.digest(), Digest(hasher.hexdigest())
        if raw in self._new or self._stored(raw, digest):
            return digest
        stored = shrink(data) if len(data) <= PACKED_MAX_BYTES else None
        try:
            self._add(raw, data if stored is None else stored, len(data))
        except OSError as error:
            raise unavailable("write a pack", error) from error
        return digest

    def commit(self) -> None:
        """Make everything durable and visible."""
        with self._lock:
            self._ended = True
            last = [(self._open, self._open.seal())] if self._open else []
            self._packs.publish([(pack, name.result()) for pack, name in self._full] + last)
            if self._loose is not None:
                for digest in self._found.values():
                    self._loose.settle(digest)
        self._packs.refresh()

    def discard(self) -> None:
        """Remove what was not committed."""
        self._ended = True
        if self._sealer is not None:
            self._sealer.shutdown(wait=True)
        for pack in [pack for pack, _ in self._full] + ([self._open] if self._open else []):
            pack.draft.close()

    def _stored(self, raw: bytes, digest: Digest) -> bool:
        """Whether the store holds it already. A loose one is made durable when the batch ends."""
        if self._loose is not None and digest[:2] in self._shards and self._loose.holds(digest):
            self._found[digest[:2]] = digest
            return True
        return self._seen.may_hold(raw) and self._packs.holds(raw)

    def _add(self, raw: bytes, stored: bytes, size: int) -> None:
        with self._lock:
            if self._ended:
                raise Invalid("this batch has ended", hint="put inside of its `with` block")
            if raw in self._new:
                return
            self._new.add(raw)
            if self._open is None:
                self._open = self._packs.new()
            self._open.add(raw, stored, size)
            if self._open.size_bytes >= self._pack_bytes:
                self._sealer = self._sealer or ThreadPoolExecutor(1, thread_name_prefix="clew-seal")
                self._full.append((self._open, self._sealer.submit(self._open.seal)))
                self._open = None
