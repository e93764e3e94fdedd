"""The packs of one place: which there are, which holds an object, taking objects out. The format is in `pack.py`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from clew.core.errors import Corrupt
from clew.core.ids import Digest
from clew.store.objects.damage import damage
from clew.store.objects.disk import Draft
from clew.store.objects.pack import Entry, Pack, PackDraft
from clew.store.objects.place import PackPlace

__all__ = ["PackedObject", "Packs", "Seen"]

_LOOKS = 5


@dataclass(frozen=True)
class PackedObject:
    """One object in one pack."""

    pack: Pack
    entry: Entry

    @property
    def size(self) -> int:
        """Uncompressed bytes."""
        return self.entry.size

    @property
    def path(self) -> None:
        """No file holds just this object."""
        return None

    def read(self) -> bytes:
        """The verified bytes."""
        return self.pack.read(self.entry)

    def head(self, length: int) -> bytes:
        """The first bytes."""
        return self.read()[:length]

    def open(self) -> BinaryIO:
        """A handle on the verified bytes."""
        return BytesIO(self.read())

    def copy_to(self, draft: Draft) -> None:
        """Write the verified bytes."""
        draft.write(self.read())


class Seen:
    """A filter over all digests in the packs: False means surely not there, at the cost of one look-up.

    One bit a slot, 16 slots an object or more, so that one in sixteen answers at most is a needless True.
    """

    def __init__(self, packs: Iterable[Pack]) -> None:
        packs = list(packs)
        bits = max((16 * sum(map(len, packs))).bit_length(), 16)
        self._shift, self._room = 64 - bits, (1 << bits) // 16
        self._slots = bytearray(1 << bits - 3)
        self._packs: set[Pack] = set()
        self.takes(packs)

    def takes(self, packs: Iterable[Pack]) -> bool:
        """Let in what came since, if these are the packs now; False if some are gone, or there is no room."""
        packs = set(packs)
        new = packs - self._packs
        if not self._packs <= packs or sum(map(len, new)) > self._room:
            return False
        shift, slots = self._shift, self._slots
        for pack in new:
            for prefix in pack.prefixes:
                slot = prefix >> shift
                slots[slot >> 3] |= 1 << (slot & 7)
            self._room -= len(pack)
        self._packs = packs
        return True

    def may_hold(self, digest: bytes) -> bool:
        """Whether some pack may hold it."""
        slot = int.from_bytes(digest[:8], "big") >> self._shift
        return self._slots[slot >> 3] >> (slot & 7) & 1 == 1


class Packs:
    """The packs of one place, as of the last `refresh`.

    `drafts` is a local folder in which packs are written before they are published. A place that is `vouched` for keeps
    its bytes sound by itself: they are not read again to know that they need not be stored again.

    Other processes add packs at any time: who misses an object refreshes and looks again. The tuple of packs is
    replaced, never changed, so that readers need no lock. A file that is no readable pack is set aside in `broken`,
    and is tried again at the next refresh.
    """

    def __init__(self, place: PackPlace, drafts: Path, *, vouched: bool = False) -> None:
        self.place, self._vouched = place, vouched
        self._drafts = drafts
        self.broken: dict[str, Corrupt] = {}
        self._packs: dict[str, Pack] | None = None
        self._seen: Seen | None = None
        self._lock = threading.Lock()

    def refresh(self) -> bool:
        """List the folder again; whether there are other packs than before."""
        known = self._packs or {}
        for _ in range(_LOOKS):
            packs: dict[str, Pack] = {}
            broken: dict[str, Corrupt] = {}
            gone = False
            for path in self.place.list():
                try:
                    packs[path] = known.get(path) or self._opened(path)
                except Corrupt as error:
                    broken[path] = error
                    self.place.forget(path)
                except FileNotFoundError:  # another process rewrote it just now: what it became may not be listed here
                    gone = True
            if not gone:
                break
        for path in known.keys() - packs.keys():
            self.place.forget(path)
        self._packs, self.broken = packs, broken
        return packs.keys() != known.keys()

    def all(self) -> list[Pack]:
        """Every readable pack."""
        if self._packs is None:
            self.refresh()
        return list((self._packs or {}).values())

    def list(self, *, after: str = "") -> Iterator[Digest]:
        """Every digest behind another one, once and in order, in the packs as there are now.

        Those that begin with the same byte are held at a time: a 256th of them.

        Raises:
            Corrupt: some pack cannot be read, so that what it holds is not known.
        """
        self.refresh()
        for byte in range(int(after[:2] or "0", 16), 256):
            found = self.names(byte, byte)
            for broken in self.broken.values():
                raise broken
            yield from sorted(digest for digest in found if digest > after)

    def names(self, first: int = 0, last: int = 255) -> set[Digest]:
        """Every digest in the packs that can be read, or those that begin with a byte within two."""
        while True:
            packs = self.all()
            try:
                return {entry.name for pack in packs for entry in pack.entries(first, last)}
            except FileNotFoundError:  # another process rewrote one meanwhile, or took it away
                self.refresh()
                if self.all() == packs:
                    raise

    def check(self) -> Iterator[tuple[Digest, Corrupt | None]]:
        """Read every object in every pack: its digest, and what is wrong with it there.

        A pack whose index cannot be read is told of with an empty digest: what it holds is not known.
        """
        self.refresh()
        done: set[Pack] = set()
        while left := [pack for pack in self.all() if pack not in done]:
            for pack in left:
                done.add(pack)
                try:
                    for entry in pack.entries():
                        yield entry.name, damage(partial(pack.read, entry))
                except Corrupt as error:
                    yield Digest(""), error
                except FileNotFoundError:  # another process rewrote it meanwhile: the new one is read too
                    self.refresh()
        for broken in self.broken.values():
            yield Digest(""), broken

    def find(self, digest: bytes) -> Iterator[PackedObject]:
        """Every copy of an object, in the packs as last listed.

        Raises:
            Corrupt: after the last sound copy, when the index of some pack is damaged where the object should be.
        """
        trouble: Corrupt | None = None
        for pack in self.all():
            try:
                entry = pack.find(digest)
            except FileNotFoundError:  # another process rewrote it; a refresh finds the new one
                continue
            except Corrupt as error:
                trouble = error
                continue
            if entry is not None:
                yield PackedObject(pack, entry)
        if trouble is not None:
            raise trouble

    def holds(self, digest: bytes) -> bool:
        """Whether a sound copy is in a pack that still has its name, so that the object need not be stored again."""
        if self._vouched:
            return self.listed(digest, None)
        try:
            return any(_is_sound(copy) and self.place.holds(copy.pack.path) for copy in self.find(digest))
        except Corrupt:
            return False

    def listed(self, digest: bytes, seen: Seen | None) -> bool:
        """Whether an object is in a pack of the last listing; a filter saves most searches."""
        if seen is not None and not seen.may_hold(digest):
            return False
        try:
            return any(self.find(digest))
        except Corrupt:
            return False

    def seen(self) -> Seen:
        """A filter over the packs as last listed, which is kept: the next one costs what came since."""
        with self._lock:
            packs = self.all()
            if self._seen is None or not self._seen.takes(packs):
                self._seen = Seen(packs)
            return self._seen

    def new(self) -> PackDraft:
        """Start a pack."""
        return PackDraft(Draft(self._drafts))

    def publish(self, drafts: Iterable[tuple[PackDraft, str]]) -> None:
        """Give sealed packs their names, durably."""
        self.place.publish((pack.draft, name) for pack, name in drafts)

    def copy(self, pack: Pack, entries: Iterable[Entry]) -> str:
        """Store entries of a pack, which may lie elsewhere, as a new one, durably; its name."""
        new = self.new()
        with new.draft:
            for entry in entries:
                pack.read(entry)  # a damaged object stops here, with its pack as it was
                new.add(entry.digest, pack.stored(entry), entry.size)
            name = new.seal()
            self.publish([(new, name)])
        return name

    def remove(self, digests: set[bytes]) -> None:
        """Take objects out: each pack that holds some is written anew without them, then unlinked.

        A crash in between leaves both packs, which is right but for the space.
        """
        self.refresh()
        for pack in self.all():
            if any(pack.find(digest) is not None for digest in digests):
                self._rewrite(pack, digests)
        self.refresh()

    def _opened(self, path: str) -> Pack:
        """A pack that was not known; read again, as what is kept of it on this machine may be what is damaged."""
        try:
            return Pack(path, self.place)
        except Corrupt:
            self.place.forget(path)
            return Pack(path, self.place)

    def _rewrite(self, pack: Pack, without: set[bytes]) -> None:
        keep = [entry for entry in pack.entries() if entry.digest not in without]
        if keep:
            self.copy(pack, keep)
        self.place.remove(pack.path)


def _is_sound(copy: PackedObject) -> bool:
    try:
        copy.read()
    except (Corrupt, FileNotFoundError):
        return False
    return True
