"""Taking objects out of a folder store, and back: what a collector does. What it takes is not decided here.

Every move leaves an object readable at each instant, and after a crash at any of them: it has its new place before it
loses the old one. Ordering: docs/design/collection.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from clew.core.ids import Digest
from clew.store.objects.disk import disk_errors, sync_folder
from clew.store.objects.local import LocalObjects
from clew.store.objects.loose import Loose
from clew.store.objects.pack import Entry, Pack
from clew.store.objects.packs import Packs
from clew.store.objects.quarantine import Generation

__all__ = ["SetAside", "expire", "old_enough", "set_aside", "take_back"]


class SetAside(NamedTuple):
    """How many objects were set aside, and what they take on the disk."""

    objects: int
    size_bytes: int


def old_enough(objects: LocalObjects, digests: set[Digest], *, until_us: int) -> dict[Digest, int]:
    """Those objects of which every copy was written before a time, with what they take on the disk."""
    objects.packs.refresh()
    sizes: dict[Digest, int] = {}
    young: set[Digest] = set()
    for pack in objects.packs.all():
        old = _written_us(pack.path) < until_us
        for entry in pack.entries():
            digest = Digest(entry.digest.hex())
            if digest in digests:
                sizes[digest] = sizes.get(digest, 0) + entry.stored
                young.update(() if old else (digest,))
    for digest in digests:
        for found in objects.loose.find(digest):
            sizes[digest] = sizes.get(digest, 0) + Path(found.file).stat().st_size
            young.update(() if _written_us(found.file) < until_us else (digest,))
    return {digest: size for digest, size in sizes.items() if digest not in young}


def set_aside(objects: LocalObjects, digests: Iterable[Digest], *, now_us: int) -> SetAside:
    """Move objects into the quarantine."""
    gone = set(digests)
    if not gone:
        return SetAside(0, 0)
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
        return SetAside(len(gone), generation.size_bytes())


def take_back(objects: LocalObjects, digests: Iterable[Digest]) -> int:
    """Put objects that were set aside back into the store, where they are missing; how many that were."""
    wanted = objects.missing(digests)
    found = 0
    with disk_errors(f"take objects back in {objects.folder}"), objects.exclusive():
        for generation in objects.quarantine.generations():
            with objects.batch() as batch:
                for digest in wanted & set(generation.list()):
                    wanted.discard(digest)
                    found += 1
                    copies = list(generation.copies(digest))
                    path = next((copy.path for copy in copies if copy.path is not None), None)
                    if path is not None:
                        objects.put_file(path)
                    else:
                        batch.put(copies[0].read())
    return found


def expire(objects: LocalObjects, *, until_us: int) -> int:
    """Delete what was set aside before a time; how many bytes that frees."""
    with disk_errors(f"delete from {objects.folder}"), objects.exclusive():
        objects.quarantine.sweep()
        freed = 0
        for generation in objects.quarantine.generations():
            if generation.since_us < until_us:
                freed += generation.size_bytes()
                generation.remove()
        return freed


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
    _write(pack, out, generation.packs)
    name = _write(pack, [entry for entry in pack.entries() if entry.digest not in gone], objects.packs)
    os.utime(here / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # what stays is as old as it was
    objects.packs.place.remove(pack.path)


def _write(pack: Pack, entries: list[Entry], packs: Packs) -> str:
    new = packs.new()
    with new.draft:
        for entry in entries:
            pack.read(entry)  # a damaged object stops here, with its pack as it was
            new.add(entry.digest, pack.stored(entry), entry.size)
        name = new.seal()
        packs.publish([(new, name)])
    return name


def _written_us(path: str) -> int:
    return os.stat(path).st_mtime_ns // 1000  # noqa: PTH116 - once a pack or object
