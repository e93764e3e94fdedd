"""What stored objects name: folders are read as what they are, everything else is searched for names of objects.

A collector that knew each format would delete what a new format names and nobody told it of. This one takes every word
of 64 hex digits, and every 32 bytes in a row, that are the name of a stored object for a reference. Such words do not
come about by chance, and nothing is lost that a format names in plain bytes. Why, and what formats must do for it:
docs/design/collection.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from clew.core.errors import Corrupt, NotFound
from clew.core.ids import Digest
from clew.data.folder import EntryKind, decode
from clew.store.mention import digests_in, pieces_of
from clew.store.objects.collection import Collection

__all__ = ["Reach"]

_FOLDER = b"clewtree\0"
_PARQUET = b"PAR1"
_LONG_BYTES = 4 << 20
_BITS = 24


class Reach:
    """Follows names from object to object.

    Args:
        objects: the store.
        known: every object there is; other words are no names.
        tell: hears how many objects have been reached.
    """

    def __init__(self, objects: Collection, known: set[Digest], tell: Callable[[int], None]) -> None:
        self._objects, self._known, self._tell = objects, known, tell
        self._prefixes = np.sort(np.array([int(digest[:16], 16) for digest in known], dtype=np.uint64))
        self._filter = np.zeros(1 << _BITS, dtype=bool)
        self._filter[self._prefixes >> np.uint64(64 - _BITS)] = True
        self._followed: set[Digest] = set()
        self.live: set[Digest] = set()

    def follow(self, roots: Iterable[Digest], *, leaves: Iterable[Digest] = ()) -> None:
        """Add these objects to `live`, and all that they name, directly or not; of leaves only themselves.

        Raises:
            Corrupt: an object cannot be read, so that nobody knows what it names.
        """
        self.live.update(self._known.intersection(leaves))
        waiting = list(self._known.intersection(roots) - self._followed)
        while waiting:
            digest = waiting.pop()
            if digest not in self._followed:
                self._followed.add(digest)
                self.live.add(digest)
                waiting += [named for named in self._named(digest) if named not in self._followed]
                self._tell(len(self.live))

    def _named(self, digest: Digest) -> Iterator[Digest]:
        """The objects that an object names, but for those that name nothing themselves, which are taken at once."""
        long = self._objects.size(digest) > _LONG_BYTES
        data = self._objects.head(digest, len(_FOLDER)) if long else self._objects.get(digest)
        if data.startswith(_FOLDER):
            yield from self._below(self._objects.get(digest) if long else data)
        elif not data.startswith(_PARQUET):  # rows, that name nothing
            found = self._searched(digest) if long else chain(digests_in(data), self._raw(data))
            yield from self._known.intersection(found)

    def _below(self, folder: bytes) -> Iterator[Digest]:
        """What a folder of a dataset holds: other folders are followed, files are leaves."""
        for entry in decode(folder):
            if entry.kind is EntryKind.FOLDER:
                if entry.digest not in self._known:
                    raise Corrupt(f"folder {entry.digest} of a dataset is lost", hint="clew doctor says of which")
                yield entry.digest
            elif entry.kind is not EntryKind.LINK and entry.digest in self._known:
                self.live.add(entry.digest)

    def _searched(self, digest: Digest) -> Iterator[Digest]:
        try:
            with self._objects.open(digest) as file:
                for piece in pieces_of(file):
                    yield from digests_in(piece)
                    yield from self._raw(piece)
        except NotFound as error:
            raise Corrupt(f"object {digest} vanished while it was read", hint="repeat the command") from error

    def _is_prefix(self, words: np.ndarray[Any, np.dtype[np.uint64]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        at = np.minimum(np.searchsorted(self._prefixes, words), len(self._prefixes) - 1)
        same: np.ndarray[Any, np.dtype[np.bool_]] = self._prefixes[at] == words
        return same

    def _raw(self, data: bytes) -> Iterator[Digest]:
        """Names as 32 raw bytes, at any place: found by their first eight bytes."""
        for start in range(8):
            count = (len(data) - start) // 8
            if count < 4:
                continue
            words = np.frombuffer(data, dtype=">u8", count=count, offset=start).astype(np.uint64)
            places = np.flatnonzero(self._filter[words >> np.uint64(64 - _BITS)])
            for place in places[self._is_prefix(words[places])]:
                at = start + 8 * int(place)
                yield Digest(data[at : at + 32].hex())
