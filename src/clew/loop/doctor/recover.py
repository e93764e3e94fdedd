"""A ledger in the place of one that is lost: the rows that can still be read, and what the objects say themselves.

Names, runs, models and aliases stand in the ledger only, and come back as far as the old file can be read. Tables and
trees of files describe themselves: those that no row names any more become datasets `recovered-DIGEST`. The old file
stays beside the new one for whoever can read more out of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, NotFound
from clew.core.ids import Digest
from clew.core.paging import items_of
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.data.datasets import LedgerDatasets
from clew.data.folder import Entry, EntryKind, decode
from clew.data.table import Manifest, read_manifest
from clew.store.ledger.sql.logged_fill import fill_logged_metrics
from clew.store.ledger.sql.search_fill import fill_search
from clew.store.ledger.sqlite import SqliteConnection

__all__ = ["recover", "salvage", "set_aside"]

_MOST_BYTES = 64 << 20
"""A manifest or a folder is smaller."""


def set_aside(ledger: Path, *, now_us: int) -> Path | None:
    """Move a ledger that cannot be read out of the way, with what belongs to it; where it lies now."""
    kept = None
    for suffix in ("-wal", "-shm", ""):
        old = ledger.with_name(ledger.name + suffix)
        if old.exists():
            kept = old.rename(ledger.with_name(f"{ledger.name}.damaged-{now_us}{suffix}"))
    return kept


def salvage(old: Path, new: Path) -> int:
    """Copy the rows that can be read from a damaged ledger into a new one; how many."""
    copied = 0
    with closing(sqlite3.connect(new)) as ledger, suppress(sqlite3.DatabaseError):
        ledger.execute("ATTACH ? AS old", (str(old),))
        tables = ledger.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        for (name,) in tables.fetchall():
            with suppress(sqlite3.DatabaseError):  # the rows before the damage are in
                for row in ledger.execute(f'SELECT * FROM old."{name}"'):
                    marks = ", ".join("?" * len(row))
                    copied += ledger.execute(f'INSERT OR IGNORE INTO main."{name}" VALUES ({marks})', row).rowcount
        connection = SqliteConnection(ledger)
        fill_search(connection)  # what was copied of the index may be a part of it
        fill_logged_metrics(connection)  # ledgers of before kept them in the documents
        ledger.commit()
    return copied


def recover(stores: Stores) -> list[DatasetVersion]:
    """Make a dataset of each table and each tree of files that lies in the objects, and is not part of another."""
    found: list[DatasetVersion] = []
    folders: dict[Digest, list[Entry]] = {}
    for digest in stores.objects.list():
        with suppress(NotFound, Corrupt, msgspec.MsgspecError):
            if manifest := _manifest(stores.objects, digest):
                found.append(_version(stores, digest, manifest))
            elif entries := _folder(stores.objects, digest):
                folders[digest] = entries
    below = {entry.digest for entries in folders.values() for entry in entries if entry.kind is EntryKind.FOLDER}
    found += [_version(stores, digest, folders[digest]) for digest in folders if digest not in below]
    datasets, known = LedgerDatasets(stores), _known(stores)
    return [datasets.commit(version) for version in found if version.manifest not in known]


def _known(stores: Stores) -> set[Digest]:
    """The manifests that some version names."""
    found: set[Digest] = set()
    with stores.ledger.read() as tx:
        for dataset in tx.datasets.list(stores.project):
            if dataset.kind is not DatasetKind.LOG:
                found |= {version.manifest for version in items_of(partial(tx.datasets.versions, dataset.id))}
    return found


def _manifest(objects: Objects, digest: Digest) -> Manifest | None:
    if not _begins(objects, digest, b"{"):
        return None
    manifest = read_manifest(objects, digest)
    return manifest if not objects.missing(part.object for part in manifest.parts) else None


def _folder(objects: Objects, digest: Digest) -> list[Entry] | None:
    return decode(objects.get(digest)) if _begins(objects, digest, b"clewtree") else None


def _begins(objects: Objects, digest: Digest, head: bytes) -> bool:
    if objects.size(digest) > _MOST_BYTES:
        return False
    with objects.open(digest) as file:
        return file.read(len(head)) == head


def _version(stores: Stores, manifest: Digest, content: Manifest | list[Entry]) -> DatasetVersion:
    table = isinstance(content, Manifest)
    return DatasetVersion(
        id=stores.ids(),
        dataset=stores.ids(),
        name=f"recovered-{manifest[:12]}",
        kind=DatasetKind.TABLE if table else DatasetKind.FILES,
        number=1,
        digest=content.digest if isinstance(content, Manifest) else manifest,
        manifest=manifest,
        rows=content.rows if isinstance(content, Manifest) else sum(entry.files for entry in content),
        size_bytes=sum(_sizes(content)),
        created_us=stores.clock.now_us(),
        created_by=stores.actor,
        message="recovered from its objects",
        schema=content.columns if isinstance(content, Manifest) else {},
        key=content.key if isinstance(content, Manifest) else [],
    )


def _sizes(content: Manifest | list[Entry]) -> Iterator[int]:
    parts = content.parts if isinstance(content, Manifest) else content
    return (part.size_bytes for part in parts)
