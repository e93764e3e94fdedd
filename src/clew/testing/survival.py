"""One promise, put to the test: whatever fails, an action is done or not done, and doing it again finishes it.

A `Deed` says how to do something and what a reader sees of it. `endure` does it on a disk that fails somewhere
(`clew.testing.disk`), `endure_stores` over stores that do (`clew.testing.faults`). Rows are kept in memory and survive
everything, so that bytes that were named before they were safe show at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from clew.core.clock import SystemClock
from clew.core.contracts.ledger import Ledger
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Unavailable
from clew.core.ids import Ids
from clew.store.ledger.memory import MemoryLedger
from clew.store.objects.local import LocalObjects
from clew.testing.disk import Crash, Fault, FaultyDisk
from clew.testing.faults import FaultyLedger, FaultyObjects, Plan, When

__all__ = ["Deed", "Mishap", "endure", "endure_stores", "operations_of", "writes_of"]


_known: dict[Deed, tuple[object, object]] = {}


def _nothing(_stores: Stores) -> None:
    return


@dataclass(frozen=True)
class Deed:
    """Something that may be repeated.

    `prepare` makes what it needs. `do` does it. `seen` is what a reader finds: equal for equal states, without ids and
    times, and read down to the last byte.
    """

    do: Callable[[Stores], object]
    seen: Callable[[Stores], object]
    prepare: Callable[[Stores], object] = _nothing


@dataclass(frozen=True)
class Mishap:
    """What goes wrong. `power` says that the machine dies behind it, and not only the process; `again` that the same
    process tries once more before that, on a disk that is well again; `seed` chooses what survives."""

    at: int
    fault: Fault
    power: bool = False
    again: bool = False
    seed: int = 0


def operations_of(deed: Deed, folder: Path) -> int:
    """How many operations a deed makes on the disk."""
    stores = _stores(folder / "counted", MemoryLedger())
    deed.prepare(stores)
    with FaultyDisk(stores.folder) as disk:
        deed.do(stores)
    return disk.count


def endure(deed: Deed, folder: Path, mishap: Mishap) -> None:
    """Do it on a disk that fails, look at what is left, and do it again.

    Raises:
        AssertionError: something acknowledged is lost, something half-done is seen, or the repetition ends elsewhere.
    """
    before, after = _both(deed, folder)
    ledger = MemoryLedger()
    stores = _stores(folder / "home", ledger)
    with FaultyDisk(stores.folder):  # which does not wait for the real one
        deed.prepare(stores)
    with FaultyDisk(stores.folder, at=mishap.at, fault=mishap.fault) as disk:
        done = _try(deed, stores)
        if mishap.again and not done and not disk.crashed:
            disk.at = 0
            deed.do(stores)
            done = True
        if mishap.power:
            left = disk.after_power_loss(folder / "left", random.Random(mishap.seed))  # noqa: S311 - not a secret
    if mishap.power or not mishap.again:  # another process
        stores = _stores(left if mishap.power else stores.folder, ledger)
    with FaultyDisk(stores.folder):
        seen = deed.seen(stores)
        assert seen == after or (not done and seen == before), f"{disk.done[-3:]}: {seen!r}"
        deed.do(stores)
        assert deed.seen(stores) == after


def writes_of(deed: Deed, folder: Path) -> int:
    """How many calls to its stores of a deed write."""
    stores, plan = _stores(folder / "counted", MemoryLedger()), Plan()
    deed.prepare(stores)
    deed.do(_faulty(stores, plan))
    return plan.calls


def endure_stores(deed: Deed, folder: Path, *, at: int, when: When) -> None:
    """Do it over stores of which one call fails, look, and do it again.

    Raises:
        AssertionError: as `endure`.
    """
    before, after = _both(deed, folder)
    stores = _stores(folder / "home", MemoryLedger())
    deed.prepare(stores)
    done = _try(deed, _faulty(stores, Plan(at, when)))
    seen = deed.seen(stores)
    assert seen == after or (not done and seen == before), repr(seen)
    deed.do(stores)
    assert deed.seen(stores) == after


def _try(deed: Deed, stores: Stores) -> bool:
    try:
        deed.do(stores)
    except (Crash, Unavailable, Conflict):
        return False
    return True


def _both(deed: Deed, folder: Path) -> tuple[object, object]:
    """What is seen before it, and behind it when nothing fails."""
    if deed not in _known:
        stores = _stores(folder / "undisturbed", MemoryLedger())
        deed.prepare(stores)
        before = deed.seen(stores)
        deed.do(stores)
        _known[deed] = before, deed.seen(stores)
    return _known[deed]


def _stores(folder: Path, ledger: Ledger) -> Stores:
    folder.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    return Stores(
        ledger=ledger,
        objects=LocalObjects(folder / "objects", clock=clock, pack_bytes=20_000),
        clock=clock,
        ids=Ids(clock),
        project="p",
        actor="ann",
        folder=folder,
    )


def _faulty(stores: Stores, plan: Plan) -> Stores:
    return replace(stores, ledger=FaultyLedger(stores.ledger, plan), objects=FaultyObjects(stores.objects, plan))
