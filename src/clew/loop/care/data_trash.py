"""The trash of versions of data: hidden, given back, and purged when nothing needs them. Runs: `trash`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Invalid, NotFound
from clew.core.paging import items_of
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.core.types.edge import node
from clew.data.reference import parse, resolve, unknown_dataset
from clew.store.account import row_digest

__all__ = ["delete_version", "purge_versions", "restore_version"]


def delete_version(stores: Stores, reference: str) -> DatasetVersion:
    """Move a version of a dataset into the trash.

    Raises:
        NotFound: there is no such version outside of the trash.
        Conflict: it is the newest, with which the next one is compared, or a model was made of it.
    """
    with stores.ledger.write() as tx:
        version = resolve(tx, stores.project, reference)
        newest = tx.datasets.newest(version.dataset)
        if newest is not None and newest.number == version.number:
            raise Conflict(f"{version.reference} is the newest version", hint="delete it when there is a newer one")
        needing = _needed_by(tx, version)
        if needing:
            raise Conflict(f"{version.reference} is needed by {', '.join(needing[:5])}", hint="it stays with them")
        return _put(stores, tx, "version.deleted", version, deleted_us=stores.clock.now_us())


def restore_version(stores: Stores, reference: str) -> DatasetVersion:
    """Bring a version back: `flights@7`.

    Raises:
        Invalid: the reference names no number.
        NotFound: the trash has no such version.
        Conflict: it was purged.
    """
    asked = parse(reference)
    if not asked.selector.isdecimal():
        raise Invalid(f"{reference!r} names no version in the trash", hint=f"give its number: {asked.name}@7")
    with stores.ledger.write() as tx:
        dataset = tx.datasets.find(stores.project, asked.name)
        if dataset is None:
            raise unknown_dataset(tx, stores.project, asked.name)
        version = tx.datasets.find_version(dataset.id, int(asked.selector[:18]))
        if version is None or not version.deleted_us:
            raise NotFound("version in the trash", reference, hint=f"clew data show {asked.name}")
        if version.purged_us:
            raise Conflict(f"{version.reference} was purged: nothing kept its bytes", hint="its record stays")
        return _put(stores, tx, "version.restored", version, deleted_us=0)


def purge_versions(stores: Stores, *, until_us: int, dry_run: bool = False) -> list[DatasetVersion]:
    """Let go of versions that went into the trash before a time; those that a model was made of stay."""
    done = []
    with stores.ledger.write() as tx:
        for version in list(_in_trash(tx, stores.project)):
            if version.deleted_us < until_us and not version.purged_us and not _needed_by(tx, version):
                done.append(version)
                if not dry_run:
                    _put(stores, tx, "version.purged", version, purged_us=stores.clock.now_us())
    return done


def _needed_by(tx: Transaction, version: DatasetVersion) -> list[str]:
    """The versions of models that came of it: they need it to be made again, and to be explained."""
    found = []
    for edge in tx.edges.down(node("data", version.id)):
        kind, _, key = edge.target.partition(":")
        if kind == "model":
            try:
                model = tx.models.version(key)
            except NotFound:
                continue
            found += [] if model.deleted_us else [f"model:{model.reference}"]
    return sorted(set(found))


def _in_trash(tx: Transaction, project: str) -> Iterator[DatasetVersion]:
    for dataset in tx.datasets.list(project):
        if dataset.kind is not DatasetKind.LOG:
            versions = items_of(partial(tx.datasets.versions, dataset.id))
            yield from (version for version in versions if version.deleted_us)


def _put(stores: Stores, tx: Transaction, kind: str, version: DatasetVersion, **changes: int) -> DatasetVersion:
    after = msgspec.structs.replace(version, **changes)
    tx.datasets.put_version(after)
    stores.tell(tx, kind, node("data", version.id), {"reference": version.reference, "row": row_digest(after)})
    return after
