"""One pack: many small objects in one file that ends with its own sorted index.

Only the format is here; which packs there are is in `packs.py`. Layout: docs/design/objects.md.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from clew.core.errors import Corrupt
from clew.core.hashing import Hasher
from clew.core.ids import Digest
from clew.store.objects.disk import Draft
from clew.store.objects.frames import unshrink
from clew.store.objects.place import PackPlace

__all__ = ["PACKED_MAX_BYTES", "Entry", "Pack", "PackDraft", "index_start"]

PACKED_MAX_BYTES = 64 << 20
"""The most that a compressed object of a pack may grow to; longer ones are stored as they are."""

_MAGIC = b"clewpack"
_VERSION = 0
_HEAD = struct.Struct("<8sI4x")
_ENTRY = struct.Struct("<32sQQQ")
_ENTRY_CHECK_BYTES = 8
_ENTRY_BYTES = _ENTRY.size + _ENTRY_CHECK_BYTES
_FOOT = struct.Struct("<QQ32s")
_CHECK_BYTES = 32
_TAIL_BYTES = _FOOT.size + _CHECK_BYTES + len(_MAGIC)
_BUFFER_BYTES = 1 << 20
_AT_ONCE = 1024


class Entry(NamedTuple):
    """Where an object lies in a pack: it is compressed when `stored` is less than `size`. All in bytes."""

    digest: bytes
    offset: int
    stored: int
    size: int

    @property
    def name(self) -> Digest:
        """The digest as everything else has it."""
        return Digest(self.digest.hex())


class PackDraft:
    """A pack that is being written; it becomes a file of the store when it is sealed and its draft is published."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.entries: dict[bytes, Entry] = {}
        self._buffer = bytearray(_HEAD.pack(_MAGIC, _VERSION))
        self._at = len(self._buffer)

    @property
    def size_bytes(self) -> int:
        """Bytes so far."""
        return self._at

    def add(self, digest: bytes, data: bytes | memoryview, size: int) -> None:
        """Append an object as it will be stored; `size` is its uncompressed length."""
        self.entries[digest] = Entry(digest, self._at, len(data), size)
        self._buffer += data
        self._at += len(data)
        if len(self._buffer) >= _BUFFER_BYTES:
            self._flush()

    def seal(self) -> str:
        """Write the index, synchronise, and return the pack's name: the digest of its index."""
        entries = sorted(self.entries.values())
        prefixes = b"".join(entry.digest[7::-1] for entry in entries)
        table = b"".join(map(_packed, entries))
        foot = _FOOT.pack(len(entries), self._at, Hasher(prefixes).digest())
        check = Hasher(_HEAD.pack(_MAGIC, _VERSION) + foot).digest()
        self._buffer += prefixes + table + foot + check + _MAGIC
        self._flush()
        self.draft.sync()
        return f"{Hasher(table).hexdigest()}.pack"

    def _flush(self) -> None:
        self.draft.write(self._buffer)
        self._buffer.clear()


class Pack:
    """A pack that can be read.

    Its column of digest prefixes is held in memory (8 bytes an object); everything else is read when asked for.

    Raises:
        Corrupt: the file is not a pack, or its index is damaged.
        OSError: the file cannot be read.
    """

    def __init__(self, path: str, place: PackPlace) -> None:
        self.path = path
        self._place = place
        self.prefixes, self._table = self._index()

    def __len__(self) -> int:
        return len(self.prefixes)

    def find(self, digest: bytes) -> Entry | None:
        """Where an object lies, if it does.

        Raises:
            Corrupt: its entry in the index is damaged.
        """
        prefix = int.from_bytes(digest[:8], "big")
        at = bisect_left(self.prefixes, prefix)
        while at < len(self.prefixes) and self.prefixes[at] == prefix:
            [entry] = self._entries(at, 1)
            if entry.digest == digest:
                return entry
            at += 1
        return None

    def read(self, entry: Entry) -> bytes:
        """The verified bytes of an object.

        Raises:
            Corrupt: they do not match the digest.
        """
        try:
            stored = self._read_at(entry.offset, entry.stored)
            data = stored if entry.stored == entry.size else unshrink(stored, entry.size)
            if Hasher(data).digest() != entry.digest:
                raise Corrupt("its bytes do not match its name")
        except Corrupt as error:
            self._place.forget(self.path)  # another process may mend it under the same name
            raise Corrupt(f"object {entry.name} in {self.path}: {error.what}") from error
        return data

    def stored(self, entry: Entry) -> bytes:
        """The bytes of an object as they lie in the pack, unverified."""
        return self._read_at(entry.offset, entry.stored)

    def entries(self, first: int = 0, last: int = 255) -> Iterator[Entry]:
        """Every entry, by digest; or those whose digests begin with a byte within two.

        Raises:
            Corrupt: one of them is damaged.
        """
        start, stop = bisect_left(self.prefixes, first << 56), bisect_left(self.prefixes, last + 1 << 56)
        for at in range(start, stop, _AT_ONCE):
            yield from self._entries(at, min(stop - at, _AT_ONCE))

    def _index(self) -> tuple[array[int], int]:
        length = self._place.size(self.path)
        if length < _HEAD.size + _TAIL_BYTES:
            raise Corrupt(f"{self.path} is too short for a pack")
        head = self._read_at(0, _HEAD.size)
        tail = self._read_at(length - _TAIL_BYTES, _TAIL_BYTES)
        foot, check, magic = tail[: _FOOT.size], tail[_FOOT.size : -len(_MAGIC)], tail[-len(_MAGIC) :]
        if magic != _MAGIC or Hasher(head + foot).digest() != check:
            raise Corrupt(f"{self.path} does not end as a pack does")
        if head != _HEAD.pack(_MAGIC, _VERSION):
            raise Corrupt(f"{self.path} is no pack of version {_VERSION}", hint="a newer clew may have written it")
        count, start, prefixes_check = _FOOT.unpack(foot)
        if start + count * (8 + _ENTRY_BYTES) + _TAIL_BYTES != length:
            raise Corrupt(f"the index of {self.path} does not add up to its length")
        raw = self._read_at(start, count * 8)
        if Hasher(raw).digest() != prefixes_check:
            raise Corrupt(f"the index of {self.path} is damaged")
        return _prefixes(raw), start + len(raw)

    def _entries(self, at: int, count: int) -> Iterator[Entry]:
        """So many entries from the one at a place on, read together."""
        table = self._read_at(self._table + at * _ENTRY_BYTES, count * _ENTRY_BYTES)
        for prefix, start in zip(self.prefixes[at : at + count], range(0, len(table), _ENTRY_BYTES), strict=True):
            entry = Entry(*_ENTRY.unpack_from(table, start))
            if (
                table[start : start + _ENTRY_BYTES] != _packed(entry)
                or int.from_bytes(entry.digest[:8], "big") != prefix
                or entry.offset + entry.stored > self._table
                or entry.stored > entry.size
                or (entry.stored < entry.size and entry.size > PACKED_MAX_BYTES)
            ):
                self._place.forget(self.path)  # what is kept of it on this machine may be what is damaged
                raise Corrupt(f"the index of {self.path} is damaged")
            yield entry

    def _read_at(self, offset: int, length: int) -> bytes:
        return self._place.read_at(self.path, offset, length)


def index_start(tail: bytes, length: int) -> int:
    """Where the index of a pack begins, as its last bytes say, unverified; the length of the pack if they are no end.

    Args:
        tail: the end of the pack.
        length: of the whole pack, in bytes.
    """
    if len(tail) < _TAIL_BYTES:
        return length
    start = int(_FOOT.unpack_from(tail, len(tail) - _TAIL_BYTES)[1])
    return min(start, length)


def _packed(entry: Entry) -> bytes:
    raw = _ENTRY.pack(*entry)
    return raw + Hasher(raw).digest(length=_ENTRY_CHECK_BYTES)


def _prefixes(raw: bytes) -> array[int]:
    prefixes = array("Q", raw)
    if sys.byteorder == "big":
        prefixes.byteswap()
    return prefixes
