"""What a place holds of a project before the project moves there: only an earlier state of it may be replaced."""

from __future__ import annotations

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.errors import Conflict, Exists
from clew.core.types.event import SealedEvent
from clew.core.types.project import Project

__all__ = ["MOVED", "Earlier", "check_known_name", "check_name", "earlier_of"]

MOVED = "project.moved"
"""The event of a move. One that was killed before it counted may have left it there; it is no use of the project."""

_MOST_WAITING = 1_000_000


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """The end of the chain of events of a state, and the events that waited behind it."""

    last: list[SealedEvent]
    waiting: list[str]

    def check(self, tx: Transaction, project: str) -> None:
        """Refuse what has come to lie in its place unless that went on from this state.

        Raises:
            Conflict: something happened there that is not known here.
        """
        lost = set(self.waiting) - _known(tx, project, self.waiting)
        if lost or (self.last and not any(_stands(tx, project, event) for event in self.last)):
            count = self.last[-1].position if self.last else 0
            raise Conflict(
                f"the target holds {count + len(self.waiting)} events of this project that are not the ones here",
                hint="it was used there since it was moved away: look at it first, and move from there",
            )


def earlier_of(tx: Transaction, project: str) -> Earlier:
    """The state of a project in a ledger, as much of it as shows whether another one went on from it."""
    position = tx.events.tail(project).position
    ends = tx.events.sealed(project, after=max(position - 2, 0), limit=2)
    if ends and ends[-1].kind != MOVED:
        ends = ends[-1:]
    elif len(ends) == 1:  # nothing but a move
        ends = []
    waiting = [event.id for event in tx.events.waiting(project, limit=_MOST_WAITING) if event.kind != MOVED]
    return Earlier(last=ends, waiting=waiting)


def check_name(tx: Transaction, project: str, name: str) -> None:
    """Refuse a name that another project of the ledger has.

    Raises:
        Exists: it has.
    """
    named: Project | None = tx.projects.find(name)
    if named is not None and named.id != project:
        raise Exists("project", name, hint="give it another name there: clew move --name NAME --to …")


def check_known_name(tx: Transaction, project: str, name: str) -> None:
    """Refuse to bring a project under a name that it cannot have: whoever serves it knows it by the one that it has.

    Raises:
        Exists: another project of the ledger has that name.
        Conflict: the project is there, under another name.
    """
    check_name(tx, project, name)
    known = next((each.name for each in tx.projects.list() if each.id == project), name)
    if known != name:
        raise Conflict(f"the project is there already, as {known!r}", hint=f"clew move --name {known} --to …")


def _stands(tx: Transaction, project: str, event: SealedEvent) -> bool:
    found = tx.events.sealed(project, after=event.position - 1, limit=1)
    return bool(found) and found[0].position == event.position and found[0].hash == event.hash


def _known(tx: Transaction, project: str, ids: list[str]) -> set[str]:
    waiting = {event.id for event in tx.events.waiting(project, limit=_MOST_WAITING)} if ids else set()
    return waiting | set(tx.events.positions(project, ids))
