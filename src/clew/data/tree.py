"""Reading the tree of folders of a files version: all of it, or one path. Nothing is taken out to disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from itertools import islice

from clew.core.contracts.objects import Objects
from clew.core.errors import Corrupt, Invalid, NotFound
from clew.core.ids import Digest
from clew.data.folder import Entry, EntryKind, decode

__all__ = ["ReadFolder", "find", "get", "reader", "walk"]

_COMPARED = 10_000

ReadFolder = Callable[[Digest], list[Entry]]
"""Gives the entries of a folder by its digest."""


def reader(objects: Objects) -> ReadFolder:
    """Read folders from a store."""
    return lambda digest: decode(objects.get(digest))


def walk(read: ReadFolder, root: Digest, *, prefix: str = "") -> Iterator[tuple[str, Entry]]:
    """Every entry below a folder with its path, folders before what they hold, by name.

    Raises:
        Corrupt: the sums that a folder's entry states are not those of what it holds.
    """
    yield from _below(read, read(root), prefix)


def find(read: ReadFolder, root: Digest, path: str) -> Entry | None:
    """The entry at a path such as `images/7.png`, if there is one. Links are not followed."""
    entry: Entry | None = None
    folder: Digest | None = root
    for name in _names(path):
        if folder is None:
            return None
        entry = next((entry for entry in read(folder) if entry.name == name), None)
        if entry is None:
            return None
        folder = entry.digest if entry.kind is EntryKind.FOLDER else None
    return entry


def get(read: ReadFolder, root: Digest, path: str) -> Entry:
    """The entry at a path.

    Raises:
        NotFound: there is none; `near` holds paths that look alike.
    """
    entry = find(read, root, path)
    if entry is None:
        paths = [found for found, _ in islice(walk(read, root), _COMPARED)]
        raise NotFound("file", path, near=get_close_matches(path, paths, n=3))
    return entry


def _names(path: str) -> list[bytes]:
    names = [os.fsencode(name) for name in path.split("/") if name not in ("", ".")]
    if not names or b".." in names or path.startswith("/"):
        raise Invalid(f"{path!r} is no path inside of a version", hint="write it as in images/7.png")
    return names


def _below(read: ReadFolder, entries: list[Entry], prefix: str) -> Iterator[tuple[str, Entry]]:
    stack = [(prefix, iter(entries))]
    while stack:
        prefix, left = stack[-1]
        entry = next(left, None)
        if entry is None:
            stack.pop()
            continue
        path = prefix + entry.text
        yield path, entry
        if entry.kind is EntryKind.FOLDER:
            held = read(entry.digest)
            if (sum(e.size_bytes for e in held), sum(e.files for e in held)) != (entry.size_bytes, entry.files):
                raise Corrupt(f"folder {path!r} does not hold what its entry states")
            stack.append((path + "/", iter(held)))
