"""Objects that nothing named when a collector looked: set aside for a while before they are deleted.

A folder `quarantine/` beside the store, with a folder for each collection, named by its time and laid out as a store
is. Writers do not look here, so that what is put again is stored again; readers that miss an object do, so that nothing
is lost for who named it a moment too late. Ordering: docs/design/collection.md.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from clew.core.ids import Digest
from clew.store.objects.disk import sync_folder
from clew.store.objects.folder import PackFolder
from clew.store.objects.loose import Loose, LooseObject
from clew.store.objects.packs import PackedObject, Packs

__all__ = ["Generation", "Quarantine", "name_of"]


class Generation:
    """What one collection set aside.

    Args:
        folder: its folder.
        drafts: where packs are written before they have their name.
    """

    def __init__(self, folder: Path, drafts: Path) -> None:
        self.folder = folder
        self.loose = Loose(folder / "loose")
        self.packs = Packs(PackFolder(folder / "packs"), drafts)

    @property
    def since_us(self) -> int:
        """When it was set aside."""
        return int(self.folder.name)

    def make(self) -> None:
        """Make its folders, durably."""
        for folder in (self.folder / "loose", self.folder / "packs"):
            folder.mkdir(parents=True, exist_ok=True)
        sync_folder(self.folder)
        sync_folder(self.folder.parent)
        sync_folder(self.folder.parent.parent)

    def copies(self, digest: Digest) -> Iterator[LooseObject | PackedObject]:
        """Every copy of an object."""
        yield from self.packs.find(bytes.fromhex(digest))
        yield from self.loose.find(digest)

    def names(self) -> set[Digest]:
        """Every digest that can be read."""
        return {*self.loose.list(), *self.packs.names()}

    def size_bytes(self) -> int:
        """What it takes on the disk; another process may be deleting it."""
        total = 0
        for folder, _, names in os.walk(self.folder):
            for name in names:
                with suppress(FileNotFoundError):
                    total += os.stat(f"{folder}/{name}").st_size  # noqa: PTH116 - as elsewhere in the store
        return total

    def remove(self) -> None:
        """Delete it, under another name first, so that a crash leaves no half of it to be read."""
        doomed = self.folder.with_name(f"{self.folder.name}.gone")
        os.replace(self.folder, doomed)  # noqa: PTH105 - as elsewhere in the store
        sync_folder(doomed.parent)
        shutil.rmtree(doomed)


def name_of(now_us: int, taken: set[int]) -> str:
    """The name of a generation of this time, or of the next one that none has yet.

    Not behind all others: one that was made under a clock that was ahead would keep all later ones for as long.
    """
    return f"{next(each for each in count(max(now_us, 1)) if each not in taken):016d}"


class Quarantine:
    """All that is set aside beside a store.

    Args:
        folder: made when something is first set aside.
        drafts: where packs are written before they have their name.
    """

    def __init__(self, folder: Path, drafts: Path) -> None:
        self.folder, self._drafts = folder, drafts

    def new(self, now_us: int) -> Generation:
        """A new generation, of a time that no other one has."""
        name = name_of(now_us, {each.since_us for each in self.generations()})
        generation = Generation(self.folder / name, self._drafts)
        generation.make()
        return generation

    def generations(self) -> list[Generation]:
        """Every generation, oldest first."""
        with suppress(FileNotFoundError):
            names = sorted(name for name in os.listdir(self.folder) if name.isdecimal())  # noqa: PTH208
            return [Generation(self.folder / name, self._drafts) for name in names]
        return []

    def copies(self, digest: Digest) -> Iterator[LooseObject | PackedObject]:
        """Every copy of an object that is set aside."""
        for generation in self.generations():
            yield from generation.copies(digest)

    def sweep(self) -> None:
        """Remove what a deletion that was killed has left."""
        with suppress(FileNotFoundError):
            for path in self.folder.glob("*.gone"):
                shutil.rmtree(path, ignore_errors=True)
