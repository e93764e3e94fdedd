"""Taking objects out of a folder store, and back: `clew.store.objects.collection.Collection` for `LocalObjects`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from clew.core.ids import Digest
from clew.store.objects.disk import disk_errors, sync_folder
from clew.store.objects.local import LocalObjects
from clew.store.objects.loose import Loose
from clew.store.objects.pack import Entry, Pack
from clew.store.objects.quarantine import Generation

__all__ = ["LocalCollection"]


class LocalCollection:
    """A store in a folder. Collections of one folder exclude each other while they change it."""

    def __init__(self, objects: LocalObjects) -> None:
        self._objects = objects
        self.missing, self.size, self.head = objects.missing, objects.size, objects.head
        self.get, self.open = objects.get, objects.open

    def stored(self) -> set[Digest]:
        return set(self._objects.list())

    def aside(self) -> set[Digest]:
        return {digest for each in self._objects.quarantine.generations() for digest in each.names()}

    def waiting_bytes(self) -> int:
        return sum(each.size_bytes() for each in self._objects.quarantine.generations())

    def old_enough(self, digests: set[Digest], *, until_us: int) -> dict[Digest, int]:
        if not digests:
            return {}
        with disk_errors(f"look into {self._objects.folder}"), self._objects.exclusive():
            return self._old_enough(digests, until_us)

    def set_aside(self, digests: Iterable[Digest], *, now_us: int) -> None:
        gone, objects = set(digests), self._objects
        if not gone:
            return
        with disk_errors(f"collect objects in {objects.folder}"), objects.exclusive():
            generation = objects.quarantine.new(now_us)
            for digest in gone:
                for found in objects.loose.find(digest):
                    _move(found.file, generation.loose, digest)
            _sync(objects.folder / "loose", generation.folder / "loose")
            raw = {bytes.fromhex(digest) for digest in gone}
            objects.packs.refresh()
            for pack in objects.packs.all():
                out = [entry for entry in pack.entries() if entry.digest in raw]
                if out:
                    _split(objects, pack, out, generation)
            objects.packs.refresh()

    def take_back(self, digests: Iterable[Digest]) -> None:
        objects = self._objects
        wanted = objects.missing(digests)
        with disk_errors(f"take objects back in {objects.folder}"), objects.exclusive():
            for generation in objects.quarantine.generations():
                with objects.batch() as batch:
                    for digest in wanted & generation.names():
                        wanted.discard(digest)
                        copies = list(generation.copies(digest))
                        path = next((copy.path for copy in copies if copy.path is not None), None)
                        if path is not None:
                            objects.put_file(path)
                        else:
                            batch.put(copies[0].read())

    def expire(self, *, until_us: int) -> int:
        objects = self._objects
        with disk_errors(f"delete from {objects.folder}"), objects.exclusive():
            objects.quarantine.sweep()
            freed = 0
            for generation in objects.quarantine.generations():
                if generation.since_us < until_us:
                    freed += generation.size_bytes()
                    generation.remove()
            return freed

    def _old_enough(self, digests: set[Digest], until_us: int) -> dict[Digest, int]:
        objects = self._objects
        objects.packs.refresh()
        sizes: dict[Digest, int] = {}
        young: set[Digest] = set()
        for pack in objects.packs.all():
            old = _written_us(pack.path) < until_us
            for entry in pack.entries():
                if entry.name in digests:
                    sizes[entry.name] = sizes.get(entry.name, 0) + entry.stored
                    young.update(() if old else (entry.name,))
        for digest in digests:
            for found in objects.loose.find(digest):
                sizes[digest] = sizes.get(digest, 0) + Path(found.file).stat().st_size
                young.update(() if _written_us(found.file) < until_us else (digest,))
        return {digest: size for digest, size in sizes.items() if digest not in young}


def _move(file: str, loose: Loose, digest: Digest) -> None:
    """Rename a loose object: it is in one place or the other at every instant."""
    name = Path(file).name
    folder = Path(loose.folder) / digest[:2]
    folder.mkdir(parents=True, exist_ok=True)
    os.replace(file, folder / name)  # noqa: PTH105 - as elsewhere in the store


def _sync(*folders: Path) -> None:
    for folder in folders:
        for shard in folder.iterdir():
            if shard.is_dir():
                sync_folder(shard)
        sync_folder(folder)


def _split(objects: LocalObjects, pack: Pack, out: list[Entry], generation: Generation) -> None:
    """Move entries of a pack: written anew in two parts, both durable before the pack goes."""
    here, there = objects.folder / "packs", generation.folder / "packs"
    if len(out) == len(pack):
        os.replace(pack.path, there / Path(pack.path).name)  # noqa: PTH105 - as elsewhere in the store
        sync_folder(there)
        sync_folder(here)
        return
    stat = os.stat(pack.path)  # noqa: PTH116
    gone = {entry.digest for entry in out}
    generation.packs.copy(pack, out)
    name = objects.packs.copy(pack, [entry for entry in pack.entries() if entry.digest not in gone])
    os.utime(here / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # what stays is as old as it was
    objects.packs.place.remove(pack.path)


def _written_us(path: str) -> int:
    return os.stat(path).st_mtime_ns // 1000  # noqa: PTH116 - once a pack or object
