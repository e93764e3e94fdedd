"""What a place holds of a project before the project moves there: only an earlier state of it may be replaced."""

from __future__ import annotations

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.errors import Conflict, Exists
from clew.core.types.event import Event, SealedEvent
from clew.core.types.project import Project
from clew.core.types.run import RunStatus

__all__ = ["MOVED", "Earlier", "check_known_name", "check_name", "earlier_of", "known_project"]

MOVED = "project.moved"
"""The event of a move."""

_MOST_WAITING = 1_000_000
_AT_ONCE = 100


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """The last event in the chain of a state that tells of a use, and the ids of those that waited behind it."""

    last: SealedEvent | None
    waiting: list[str]

    def check(self, tx: Transaction, project: str) -> None:
        """Refuse what has come to lie in its place unless that went on from this state.

        Raises:
            Conflict: something happened there that is not known here.
        """
        lost = set(self.waiting) - _known(tx, project, self.waiting)
        if lost or (self.last is not None and not _stands(tx, project, self.last)):
            count = self.last.position if self.last is not None else 0
            raise Conflict(
                f"the target holds {count + len(self.waiting)} events of this project that are not the ones here",
                hint="it was used there since it was moved away: look at it first, and move from there",
            )


def earlier_of(tx: Transaction, project: str) -> Earlier:
    """The state of a project in a ledger, as much of it as shows whether another one went on from it.

    A move that was killed before it counted has left the project there. What a place says of a project that nobody uses
    is no use of it.
    """
    waiting = [event.id for event in tx.events.waiting(project, limit=_MOST_WAITING) if not _by_itself(event)]
    position = tx.events.tail(project).position
    while position:
        start = max(position - _AT_ONCE, 0)
        for event in reversed(tx.events.sealed(project, after=start, limit=position - start)):
            if not _by_itself(msgspec.json.decode(event.document, type=Event)):
                return Earlier(last=event, waiting=waiting)
        position = start
    return Earlier(last=None, waiting=waiting)


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
    known = known_project(tx, project)
    if known is not None and known.name != name:
        raise Conflict(f"the project is there already, as {known.name!r}", hint=f"clew move --name {known.name} --to …")


def known_project(tx: Transaction, project: str) -> Project | None:
    """A project by its id."""
    return next((each for each in tx.projects.list() if each.id == project), None)


def _by_itself(event: Event) -> bool:
    """Whether an event comes of a move, or of a server that waits in vain for a sign of life of a run."""
    lost = event.kind == "run.ended" and event.facts.get("status") == RunStatus.LOST
    return lost or event.kind == MOVED


def _stands(tx: Transaction, project: str, event: SealedEvent) -> bool:
    found = tx.events.sealed(project, after=event.position - 1, limit=1)
    return bool(found) and found[0].position == event.position and found[0].hash == event.hash


def _known(tx: Transaction, project: str, ids: list[str]) -> set[str]:
    waiting = {event.id for event in tx.events.waiting(project, limit=_MOST_WAITING)} if ids else set()
    return waiting | set(tx.events.positions(project, ids))
