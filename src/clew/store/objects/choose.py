"""Which objects a project has: in its folder, in another folder, or in a bucket; `.clew/objects.json` says which.

Bytes do not move by themselves when a setting changes: `clew move` moves them. Until then the change is refused.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from clew.core.clock import Clock
from clew.core.contracts.objects import Objects
from clew.core.errors import Invalid
from clew.store.document import find_document, put_document
from clew.store.objects.bucket import is_bucket, open_bucket
from clew.store.objects.cached import CachedObjects
from clew.store.objects.disk import disk_errors, sync_folder
from clew.store.objects.local import LocalObjects
from clew.store.objects.remote import RemoteObjects

__all__ = ["FOLDER", "ObjectsPlace", "choose_objects", "find_place", "has_objects", "objects_at", "settle_place"]

FOLDER = "folder"
"""The place that means the project's own folder."""

_FILE = "objects.json"


class ObjectsPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bytes of a project are, when that is not its folder.

    Attributes:
        place: the setting that led there.
        address: the project's own part of it.
    """

    place: str
    address: str


def find_place(folder: Path) -> ObjectsPlace | None:
    """Where a `.clew` folder has its bytes; None for the folder itself.

    Raises:
        Corrupt: it cannot be read.
    """
    return find_document(folder / _FILE, ObjectsPlace)


def settle_place(folder: Path, place: ObjectsPlace | None) -> None:
    """Note where a `.clew` folder has its bytes from now on. Survives *power*."""
    with disk_errors(f"write {folder / _FILE}"):
        if place is None:
            (folder / _FILE).unlink(missing_ok=True)
            sync_folder(folder)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            put_document(folder / _FILE, place)


def choose_objects(folder: Path, place: str, *, project: str, cache_gb: float, clock: Clock | None = None) -> Objects:
    """The objects of a project.

    Args:
        folder: its `.clew` folder.
        place: `folder` for where they are, or else the project's folder; the path of another folder, or the address
            of a bucket, of which each project has a part.
        project: its id.
        cache_gb: how much of a bucket is kept on this machine.
        clock: tells how old things are.

    Raises:
        Invalid: the project has its bytes elsewhere, or the bucket cannot be opened.
    """
    found = find_place(folder)
    if place == FOLDER and found is None:
        return LocalObjects(folder / "objects", clock=clock)
    if found is None:
        if has_objects(folder / "objects"):
            raise _elsewhere(folder, FOLDER)
        found = ObjectsPlace(place=place, address=f"{place.rstrip('/')}/projects/{project}")
        settle_place(folder, found)
    if place not in (found.place, FOLDER):
        raise _elsewhere(folder, found.place)
    return objects_at(folder, found.address, cache_gb=cache_gb, clock=clock)


def objects_at(folder: Path, address: str, *, cache_gb: float, clock: Clock | None = None) -> Objects:
    """The objects at an address, as a `.clew` folder uses them."""
    if not is_bucket(address):
        path = unquote(urlsplit(address).path) if address.startswith("file://") else address
        return LocalObjects(Path(path), clock=clock)
    cache = folder / "cache"
    remote = RemoteObjects(open_bucket(address), cache / "bucket", clock=clock)
    return CachedObjects(remote, cache / "objects", limit_bytes=round(cache_gb * 1e9), clock=clock)


def has_objects(folder: Path) -> bool:
    """Whether a folder of objects holds some."""
    return any((folder / "packs").glob("*.pack")) or any((folder / "loose").glob("*/*"))


def _elsewhere(folder: Path, place: str) -> Invalid:
    return Invalid(
        f"the project in {folder.parent} keeps its bytes in {'its folder' if place == FOLDER else place}",
        hint=f"set CLEW_OBJECTS={place}, or [storage] objects in clew.toml; clew move --to PLACE moves them",
    )
