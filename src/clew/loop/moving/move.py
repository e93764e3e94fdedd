"""Moves a project: bytes first, then rows in one transaction, compared, and then the switch, in one step.

Until the switch the project is what it was, so that a kill at any moment loses nothing but time: objects that were
copied are not copied again, rows are. While rows are copied nobody else can write. The old ledger is closed to writers
afterwards, and stays; so do the old objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from clew.client.credentials import address_of
from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid
from clew.loop.moving.copy_objects import copy_objects
from clew.loop.moving.earlier import check_known_name, earlier_of
from clew.loop.moving.elsewhere import elsewhere, kept_ids, refuse_elsewhere
from clew.loop.moving.moved import Moved, Part, not_as_they_were, rename, tell_moved
from clew.loop.moving.to_server import move_to_server
from clew.settings import StorageSettings
from clew.store.claim import Claim, find_claim
from clew.store.ledger.sql.rows import ProjectRows
from clew.store.ledger.sql.transaction import SqlTransaction
from clew.store.ledger.sqlite import SqliteLedger
from clew.store.objects.choose import FOLDER, ObjectsPlace, find_place, objects_at
from clew.store.switch import FRESH, Switch, begin_switch, finish_switch

__all__ = ["Plan", "find_moved", "move", "plan_of"]

_POSTGRES, _SERVER = ("postgresql://", "postgres://"), ("http://", "https://")
Tell = Callable[[str, int], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Where rows and bytes are to go; what is empty stays. `folder` is home, for both; a server takes both.

    `name` is another name for the project, where rows go.
    """

    ledger: str = ""
    objects: str = ""
    server: str = ""
    name: str = ""


def plan_of(places: Sequence[str], *, name: str = "") -> Plan:
    """What `--to` means, once or twice.

    Raises:
        Invalid: a place is none, two are of one kind, or a name is given where no rows go.
    """
    found: dict[str, str] = {}
    for place in map(_whole, places):
        kinds: tuple[str, ...] = ("ledger",) if place.startswith(_POSTGRES) else ("objects",)
        if place == FOLDER or place.startswith(_SERVER):
            kinds = ("ledger", "objects")
        for kind in kinds:
            if kind in found:
                raise Invalid(f"{found[kind]} and {place} cannot both have the {kind}", hint="give one of them")
            found[kind] = place
    if name and "ledger" not in found:
        raise Invalid(f"the project gets the name {name!r} with its rows, and they stay", hint="leave --name away")
    if found.get("ledger", "").startswith(_SERVER):
        return Plan(server=found["ledger"], name=name)
    return Plan(**found, name=name)


def move(stores: Stores, root: Path, plan: Plan, *, cache_gb: float, tell: Tell) -> Moved:
    """Move a project.

    Args:
        stores: the project as it is; it must be closed afterwards.
        root: its folder.
        plan: where to.
        cache_gb: how much of a bucket is kept on this machine.
        tell: hears what is copied, and how many.

    Raises:
        Conflict: the target holds a state of this project that is not an earlier one, or its runs in another project.
        Exists: the target has another project of this name.
        Corrupt: something cannot be read, or did not arrive as it was.
        Invalid: there is nothing to move.
    """
    if plan.server:
        return move_to_server(stores, root, plan.server, name=plan.name, tell=tell)
    folder = root / ".clew"
    place = _place(stores, folder, plan.objects)
    target = _target(stores, folder, plan.ledger)
    if place is None and target is None:
        raise Invalid("everything is there already", hint="clew move --to PLACE, or --to folder for the way back")
    parts: list[Part] = []
    wanted = Switch()
    try:
        if target is not None:
            with stores.ledger.read() as tx, target.read() as other:
                refuse_elsewhere(elsewhere(other, stores.project, kept_ids(tx, stores.project)))
        if place is not None:
            fresh = objects_at(folder, place.address, cache_gb=cache_gb, clock=stores.clock)
            copy_objects(stores.objects, fresh, tell=lambda count: tell("objects", count))
        with stores.ledger.write() as tx:  # nobody writes until the switch is done
            if place is not None:
                count = copy_objects(stores.objects, fresh, tell=lambda _: None)
                parts.append(Part(what="objects", here=count, there=count))
                home = plan.objects == FOLDER
                wanted = msgspec.structs.replace(wanted, place=None if home else place, home=home)
            if target is not None:
                assert isinstance(tx, SqlTransaction)
                rename(stores, tx, plan.name)
                tell_moved(stores, tx, ledger=_shown(plan.ledger), objects=plan.objects)
                parts += _rows(stores, tx, target, tell)
                wanted = msgspec.structs.replace(wanted, **_switched(stores, plan))
                target.close()
                tx.forbid(f"this project has moved to {_shown(plan.ledger)}")
            begin_switch(folder, wanted)
        finish_switch(folder)
    finally:
        if target is not None:
            target.close()
    return Moved(parts=parts, ledger=_shown(plan.ledger), objects=plan.objects)


def find_moved(root: Path, plan: Plan) -> Moved | None:
    """What a move came to that was done already, and whose process may have been killed before it could say so.

    Raises:
        Corrupt: what was written down of it cannot be read.
    """
    folder = root / ".clew"
    finish_switch(folder)
    found = find_claim(folder)
    ledger = found.ledger if found is not None else FOLDER
    if plan.server:
        server, named = address_of(plan.server, "")
        name = plan.name or named
        there = f"{server}/projects/{quote(name, safe='')}"
        return Moved(parts=[], ledger=ledger) if ledger.startswith(there) and (ledger == there or not name) else None
    place = find_place(folder)
    if (plan.ledger and ledger != _shown(plan.ledger)) or (
        plan.objects and plan.objects != (place.place if place is not None else FOLDER)
    ):
        return None
    return Moved(parts=[], ledger=_shown(plan.ledger), objects=plan.objects)


def _rows(stores: Stores, tx: SqlTransaction, target: Any, tell: Tell) -> list[Part]:
    """Copy the rows in one transaction of the target, and compare what arrived with what was sent."""
    here = tx.rows_of(stores.project)
    with target.write() as other:
        mine = next(each for each in tx.projects.list() if each.id == stores.project)
        check_known_name(other, stores.project, mine.name)
        earlier = earlier_of(other, stores.project)
        earlier.check(tx, stores.project)
        there: ProjectRows = other.rows_of(stores.project)
        there.clear()
        here.copy_to(there, tell=lambda count: tell("rows", count))
        sent, arrived = here.digests(), there.digests()
        wrong = [table for table in sent if sent[table] != arrived[table]]
        if wrong:
            raise not_as_they_were(wrong)
    return [
        Part(what=table, here=count, there=arrived[table][0], digest=digest) for table, (count, digest) in sent.items()
    ]


def _whole(place: str) -> str:
    """A place as it means the same in every folder.

    Raises:
        Invalid: it is none.
    """
    if place.startswith((*_POSTGRES, *_SERVER)):
        return place
    if place != FOLDER and place and "://" not in place:
        path = Path(place).expanduser().absolute()
        _refuse_slip(place, needed=path.parent if "/" in place.rstrip("/") else path)
        place = str(path)
    return StorageSettings(objects=place).objects


def _refuse_slip(place: str, needed: Path) -> None:
    """Refuse what may be a slip for an address, and would become a new folder.

    Raises:
        Invalid: the folder that is needed is not there.
    """
    if needed.is_dir():
        return
    near = f"did you mean {FOLDER}? " if get_close_matches(place.lower(), [FOLDER]) else ""
    places = "a new folder is ./NAME, a bucket s3://…, a database postgresql://…, a server https://…"
    raise Invalid(
        f"{place!r} is no place to move to: it is no address, and there is no folder {needed}",
        hint=f"{near}{FOLDER} is the way back; {places}",
    )


def _place(stores: Stores, folder: Path, wanted: str) -> ObjectsPlace | None:
    """Where objects go; None where they are there already, or stay."""
    found = find_place(folder)
    now = found.place if found is not None else FOLDER
    if not wanted or wanted == now:
        return None
    if wanted == FOLDER:
        return ObjectsPlace(place=FOLDER, address=str(folder / "objects"))
    return ObjectsPlace(place=wanted, address=f"{wanted.rstrip('/')}/projects/{stores.project}")


def _target(stores: Stores, folder: Path, wanted: str) -> Any:
    """The ledger that rows go to; None where they are there already, or stay."""
    found = find_claim(folder)
    if not wanted or (wanted == FOLDER and found is None):
        return None
    if wanted == FOLDER:
        for end in ("", "-wal", "-shm"):
            (folder / (FRESH + end)).unlink(missing_ok=True)  # what a move that was broken off left
        return SqliteLedger(folder / FRESH)
    if found is not None and found.ledger == _shown(wanted):
        return None
    from clew.store.ledger.postgres import PostgresLedger

    return PostgresLedger(wanted, project=stores.project)


def _switched(stores: Stores, plan: Plan) -> dict[str, Any]:
    if plan.ledger == FOLDER:
        return {"fresh": True}
    return {"claim": Claim(project=stores.project, ledger=_shown(plan.ledger), added=True)}


def _shown(ledger: str) -> str:
    """The address of a ledger without its password."""
    if not ledger.startswith(_POSTGRES):
        return ledger
    from clew.store.ledger.postgres import Address

    return str(Address(ledger))
