"""Moves a project into a server: bytes over its routes of objects, rows as one shipment, which the server verifies.

Until the last step the project is where it was. A repeated move sends only what is not there, and replaces what an
attempt that was broken off left at the server.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from clew.client.connection import Connection
from clew.client.credentials import address_of, token_for
from clew.client.objects import HttpObjects
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Invalid
from clew.core.ids import Digest
from clew.core.types.project import Project
from clew.loop.moving.copy_objects import copy_objects
from clew.loop.moving.elsewhere import kept_ids, refuse_elsewhere
from clew.loop.moving.moved import Moved, Part, rename, tell_moved
from clew.loop.moving.shipment import Bill, pack
from clew.settings import SETTINGS_FILE
from clew.store.claim import Claim
from clew.store.ledger.sql.transaction import SqlTransaction
from clew.store.ledger.sqlite import SqliteLedger
from clew.store.objects.disk import disk_errors
from clew.store.switch import Switch, begin_switch, finish_switch

__all__ = ["move_to_server"]

_SHIPMENT = "move.rows"
"""Below `.clew`, while it is sent; a move that was killed leaves it to the next one."""

_IDS_AT_ONCE = 10_000
_PATIENCE_S = 3600.0
"""How long a server may take to take in the rows."""


def move_to_server(stores: Stores, root: Path, address: str, *, name: str, tell: Callable[[str, int], None]) -> Moved:
    """Move a project into a server, for who runs it.

    Args:
        stores: the project as it is; it must be closed afterwards.
        root: its folder.
        address: of the server.
        name: another name for the project; that of `/projects/NAME` in the address when it is empty.
        tell: hears what is copied, and how many.

    Raises:
        Invalid: the address is none, or the rows are in a database already.
        Exists: the server has another project of this name.
        Conflict: the server holds a state of this project that is not an earlier one, or its runs in another project,
            or decisions wait in journals.
        Denied: the token does not run the server.
        Unavailable: the server cannot be reached.
    """
    if not isinstance(stores.ledger, SqliteLedger):
        raise Invalid(
            "the rows of this project are in a database, and only those of a folder move into a server",
            hint="start clew server on that database, or go through the folder: clew move --to folder",
        )
    _refuse_waiting(root / ".clew")
    server, named = address_of(address, "")
    connection = Connection(server, "", token_for(server, os.environ), timeout_s=_PATIENCE_S)
    arriving = connection.to_arriving(stores.project)
    there = HttpObjects(arriving)
    folder = root / ".clew"
    try:
        _refuse_elsewhere(stores, arriving)
        copy_objects(stores.objects, there, tell=lambda count: tell("objects", count))
        with stores.ledger.write() as tx:  # nobody writes until the switch is done
            count = copy_objects(stores.objects, there, tell=lambda _: None)
            rename(stores, tx, name or named)
            tell_moved(stores, tx, ledger=server, objects=server)
            bill, rows = _ship(stores, tx, there, folder)
            told = {"rows": rows, "settings": _settings(root)}
            project = arriving.send("POST", "", told, Project)
            url = f"{server}/projects/{quote(project.name, safe='')}"
            tx.forbid(f"this project has moved to {url}")
            begin_switch(folder, Switch(claim=Claim(project=stores.project, ledger=url, added=True)))
        finish_switch(folder)
    finally:
        connection.close()
    parts = [Part(what=table, here=sent, there=sent, digest=digest) for table, (sent, digest) in bill.tables.items()]
    return Moved(parts=[Part(what="objects", here=count, there=count), *parts], ledger=url)


def _refuse_elsewhere(stores: Stores, arriving: Connection) -> None:
    with stores.ledger.read() as tx:
        ids = kept_ids(tx, stores.project)
    found: Counter[str] = Counter()
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = {"ids": ids[start : start + _IDS_AT_ONCE]}
        found.update(arriving.send("POST", "/elsewhere", some, dict[str, int]))
    refuse_elsewhere(found)


def _ship(stores: Stores, tx: SqlTransaction, there: HttpObjects, folder: Path) -> tuple[Bill, Digest]:
    """Send the rows as an object."""
    project = next(each for each in tx.projects.list() if each.id == stores.project)
    path = folder / _SHIPMENT
    try:
        with disk_errors(f"write {path}"), path.open("wb") as file:
            bill = pack(tx.rows_of(stores.project), project=project.id, name=project.name, file=file)
        return bill, there.put_file(path)
    finally:
        path.unlink(missing_ok=True)


def _refuse_waiting(folder: Path) -> None:
    """Decisions in journals of this machine would stay: nobody compacts them once the project is elsewhere."""
    for path in sorted((folder / "decisions").rglob("*.seg")):
        raise Conflict(
            f"decisions of an endpoint wait in {path.parent}",
            hint="stop what serves it, then bring them home: clew watch ENDPOINT",
        )


def _settings(root: Path) -> str:
    """What the project declares: its gates go on to count."""
    file = root / SETTINGS_FILE
    return file.read_text(encoding="utf-8") if file.exists() else ""
