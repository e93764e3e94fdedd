"""Opens the stores of a project in a folder: the ledger and the objects that its settings name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from clew.core.clock import Clock
from clew.core.contracts.ledger import Ledger, Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Exists, Invalid
from clew.core.ids import IdSource
from clew.core.types.edge import node
from clew.core.types.project import Project
from clew.settings import SQLITE, Settings
from clew.store.claim import Claim, claim, find_claim, server_of, settle
from clew.store.ledger.sqlite import SqliteLedger
from clew.store.objects.choose import choose_objects, find_place, has_objects
from clew.store.objects.local import LocalObjects
from clew.store.switch import finish_switch

__all__ = ["open_stores"]


def open_stores(folder: Path, settings: Settings, *, clock: Clock, ids: IdSource, actor: str) -> Stores:
    """The stores of the project whose `.clew` is `folder`.

    Raises:
        Corrupt: the ledger is damaged, or gone while its objects are there.
        Exists: the shared ledger has another project of this name.
        Invalid: the ledger was made by a newer clew, or is not the one of this folder.
        Unavailable: the folder cannot be written, or the ledger cannot be reached.
    """
    finish_switch(folder)
    _refuse_lost_ledger(folder)
    ledger, claimed = _open_ledger(folder, settings.storage.ledger, id=ids())
    try:
        stores = Stores(
            ledger=ledger,
            objects=LocalObjects(folder / "objects", clock=clock),
            clock=clock,
            ids=ids,
            project=claimed.project,
            actor=actor,
            folder=folder,
        )
        stores = _within_project(stores, claimed, name=settings.project.name)
        place, cache_gb = settings.storage.objects, settings.storage.cache_gb
        chosen = choose_objects(folder, place, project=stores.project, cache_gb=cache_gb, clock=clock)
        return replace(stores, objects=chosen)
    except BaseException:
        ledger.close()
        raise


def _refuse_lost_ledger(folder: Path) -> None:
    """An empty ledger beside objects would pass for a project in which nothing ever was."""
    file = folder / "ledger.db"
    if file.exists() or find_claim(folder) is not None:
        return
    if find_place(folder) is not None or has_objects(folder / "objects"):
        hint = "restore it from a backup, or make one from what can be read: clew doctor --fix"
        raise Corrupt(f"{file} is gone, and the objects of this project are there", hint=hint)


def _open_ledger(folder: Path, place: str, *, id: str) -> tuple[Ledger, Claim]:
    """The ledger that the settings name, and the folder's claim to a project in it; `id` is for a new one.

    Raises:
        Invalid: the folder keeps its rows elsewhere.
    """
    file, found = folder / "ledger.db", find_claim(folder)
    if server := server_of(found):
        hint = f"set CLEW_SERVER={server}, or [server] url in clew.toml"
        raise Invalid(f"the project in {folder.parent} is on a server, {server}", hint=hint)
    if place == SQLITE:
        if found is not None:
            hint = "set CLEW_LEDGER, or [storage] ledger in clew.toml"
            raise Invalid(f"the project in {folder.parent} keeps its ledger in {found.ledger}", hint=hint)
        return SqliteLedger(file), Claim(project=id, ledger=SQLITE)
    if file.exists():
        hint = f"set CLEW_LEDGER={SQLITE}, or make a project elsewhere: clew init FOLDER"
        raise Invalid(f"the project in {folder.parent} keeps its ledger in {file}, not in PostgreSQL", hint=hint)
    from clew.store.ledger.postgres import Address, PostgresLedger

    claimed = claim(folder, Claim(project=id, ledger=str(Address(place))))
    return PostgresLedger(place, project=claimed.project), claimed


def _within_project(stores: Stores, claimed: Claim, *, name: str) -> Stores:
    """The stores of the folder's project, which is made when there is none; renaming in `clew.toml` makes no new one.

    Raises:
        Exists: the shared ledger has another project of this name.
        Invalid: the ledger does not hold the project of this folder.
    """
    alone = claimed.ledger == SQLITE
    with stores.ledger.read() as tx:
        found = _found(tx, stores.project, alone=alone)
    if found is None and claimed.added:
        raise Invalid(
            f"the ledger does not hold the project of {stores.folder}, which was made in {claimed.ledger}",
            hint="look at CLEW_LEDGER, and at [storage] ledger in clew.toml",
        )
    if found is None:
        with stores.ledger.write() as tx:
            found = _found(tx, stores.project, alone=alone) or _new_project(tx, stores, name)
    if not (alone or claimed.added):
        settle(stores.folder, msgspec.structs.replace(claimed, added=True))
    return replace(stores, project=found.id)


def _found(tx: Transaction, id: str, *, alone: bool) -> Project | None:
    """The project of an id, or the first one where the ledger is the folder's own."""
    projects = {each.id: each for each in tx.projects.list()}
    if not alone:
        return projects.get(id)
    first = tx.events.first_project()  # a server may have added others, and older ones may have moved into it
    if first in projects:
        return projects[first]
    return min(projects.values(), key=lambda each: (each.created_us, each.id), default=None)


def _new_project(tx: Transaction, stores: Stores, name: str) -> Project:
    if tx.projects.find(name) is not None:
        hint = "set another [project] name in clew.toml or CLEW_PROJECT; bytes are in the folder where it was made"
        raise Exists("project", name, hint=hint)
    project = Project(id=stores.project, name=name, created_us=stores.clock.now_us())
    tx.projects.add(project)
    stores.tell(tx, "project.added", node("project", project.id), {"name": name})
    return project
