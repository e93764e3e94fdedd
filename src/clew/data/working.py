"""A working folder and what is known about it: the join of scan, stat cache and snapshot that every verb needs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clew.core.errors import Corrupt, Invalid, NotFound, Unavailable
from clew.core.hashing import hash_bytes, hash_file
from clew.core.ids import Digest
from clew.data.folder import Entry
from clew.data.scan import Working, scan
from clew.data.site import Site
from clew.data.snapshot import Sink, Snapshot, Tell, snapshot
from clew.data.stat_cache import StatCache, filesystem_now_ns, load, real, save
from clew.data.tree import ReadFolder, reader

__all__ = ["HashOnly", "known_state", "read_working", "remember", "with_new"]

_log = logging.getLogger("clew.data")


class HashOnly:
    """A `Sink` that keeps nothing: to know what would be stored."""

    @contextmanager
    def batch(self) -> Iterator[HashOnly]:
        yield self

    def put(self, data: bytes) -> Digest:
        """The digest of bytes."""
        return hash_bytes(data)

    def put_file(self, path: Path) -> Digest:
        """The digest of a file's bytes."""
        return hash_file(path)


def known_state(site: Site, root: Path) -> StatCache | None:
    """The stat cache of a working folder, if the versions that it speaks of are still what it says."""
    cache = load(site.folder, root)
    if cache is None or not cache.references:
        return None
    try:
        version = site.datasets.resolve(cache.references[0])
    except (NotFound, Invalid):
        return None
    return cache if version.digest == cache.digest else None


def read_working(
    site: Site, root: Path, *, cache: StatCache | None, sink: Sink, tell: Tell | None = None
) -> tuple[Working, Snapshot]:
    """Look at a working folder and turn it into a tree, with what is known or without.

    Raises:
        NotFound: there is no such folder or file.
        Invalid: something in it cannot be read.
        Conflict: it changes meanwhile.
    """
    now_ns = filesystem_now_ns(site.folder)
    working = scan(root)
    read = reader(site.objects)
    try:
        taken = snapshot(working, cache=cache, read=read, sink=sink, now_ns=now_ns, tell=tell)
    except (NotFound, Corrupt):
        if cache is None:
            raise
        taken = snapshot(working, cache=None, read=read, sink=sink, now_ns=now_ns, tell=tell)
    return working, taken


def remember(site: Site, root: Path, cache: StatCache | None, taken: Snapshot, reference: str) -> None:
    """Keep how a working folder looks now that its content is a version's.

    The version is there already: a disk that has no room for this costs the next look time, and nothing else.
    """
    new = StatCache(root=real(root), references=[reference], digest=taken.digest, folders=taken.folders)
    if new == cache:
        return
    try:
        save(site.folder, new)
    except Unavailable as error:
        _log.warning("the next look at %s will read all of it: %s", root, error.what)


def with_new(read: ReadFolder, taken: Snapshot) -> ReadFolder:
    """Read folders of a snapshot, which need not be stored, or of a store."""

    def either(digest: Digest) -> list[Entry]:
        return taken.new[digest] if digest in taken.new else read(digest)

    return either
