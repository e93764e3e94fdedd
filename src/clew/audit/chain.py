"""Walks a chain of events once, in order, and finds what is not as it was sealed.

Memory is bounded: what does not fit is kept until the end, up to a limit, to be told apart by `clew.audit.place`: an
event that was moved, one that was put in, one whose predecessor is gone. Reasoning: docs/design/events.md.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec

from clew.audit.problem import Found, Problems, named
from clew.core.types.event import START, ChainTail, Event, SealedEvent, chain_hash

__all__ = ["ChainWalk", "Odd", "Shift", "read_event"]

_MOST_ODD = 1000
_FARTHEST, _BEFORE = 8, 3
_COLUMNS = ("id", "project", "kind", "subject")
_decoder = msgspec.json.Decoder(Event)


@dataclass(frozen=True)
class Odd:
    """A row that does not fit where it stands.

    `before` are the hashes of the rows before it; `follows` says that its predecessor is not known to be right.
    """

    row: SealedEvent
    before: tuple[str, ...]
    follows: bool


@dataclass(frozen=True)
class Shift:
    """From `row` on, rows stand `step` places further on than they were sealed: `added` stand before it."""

    row: SealedEvent
    step: int
    added: tuple[SealedEvent, ...]


@dataclass
class ChainWalk:
    """The walk, fed with one row after the other.

    Args:
        tail: where the chain ends, as the ledger says.
        problems: what is found goes there.
    """

    tail: ChainTail
    problems: Problems
    events: int = 0
    odd: list[Odd] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    hashes_wrong: dict[int, SealedEvent] = field(default_factory=dict)
    shifts: list[Shift] = field(default_factory=list)
    last: SealedEvent | None = None
    _expected: int = 1
    _shift: int = 0
    _stored: str = START
    _computed: str = START
    _sure: bool = True
    _recent: deque[SealedEvent] = field(default_factory=lambda: deque(maxlen=_FARTHEST + 2))

    def see(self, row: SealedEvent) -> Event | None:
        """Look at the next row.

        Returns:
            The event, when its document can be read: whether it is right or not.
        """
        self.events += 1
        event = read_event(row.document)
        if row.position <= 0 or (row.position > self._expected and self._expected > self.tail.position):
            self._keep(row, follows=True)  # a stray row: where it belongs, if anywhere, is found out at the end
            return event
        if row.position > self._expected:
            self._gap(self._expected, row.position - 1)
        fits = self._fits(row)
        if fits:
            self._compare_columns(row, event)
        elif not self._shifted(row):
            self._keep(row, follows=not self._sure)
        self._sure = fits
        self._computed = chain_hash(row.position - self._shift, self._stored, row.document)
        self._stored, self._expected, self.last = row.hash, row.position + 1, row
        self._recent.append(row)
        return event

    def end(self) -> None:
        """What the tail says of a chain that ends here."""
        position = self.last.position if self.last else 0
        if self.tail.position > position:
            self._gap(position + 1, self.tail.position)
        elif self.tail.position < position:
            text = f"the end of the chain is said to be {self.tail.position}, and it goes on to {position}"
            self.problems.add(named(Found.TAIL, self.tail.position, None, text))
        elif self.last and self.tail.hash != self.last.hash:
            text = "the end of the chain is said to have another hash than its last event"
            self.problems.add(named(Found.TAIL, position, read_event(self.last.document), text))

    def _fits(self, row: SealedEvent) -> bool:
        """Whether the hash of a row follows from the row before it: as stored, or as that one should have it."""
        place = row.position - self._shift
        if chain_hash(place, self._stored, row.document) == row.hash:
            return True
        if not self._sure and self.last and chain_hash(place, self._computed, row.document) == row.hash:
            self.hashes_wrong[self.last.position] = self.last
            return True
        return False

    def _shifted(self, row: SealedEvent) -> bool:
        """Whether rows from the one before on link up once they are counted from elsewhere: they were renumbered."""
        if self._sure:
            return False
        for shift in (step for far in range(1, _FARTHEST + 1) for step in (self._shift + far, self._shift - far)):
            if chain_hash(row.position - shift, self._stored, row.document) == row.hash:
                first, step = (self.odd[-1].row if self.odd else row), shift - self._shift
                added = tuple(each for each in self._recent if 0 < first.position - each.position <= step)
                self.shifts.append(Shift(first, step, added))
                self._shift = shift
                return True
        return False

    def _compare_columns(self, row: SealedEvent, event: Event | None) -> None:
        for name in _COLUMNS if event is not None else ():
            said, stored = getattr(event, name), getattr(row, name)
            if said != stored:
                text = f"its column {name} holds {stored!r}, and the event itself says {said!r}"
                self.problems.add(named(Found.COLUMN, row.position, event, text))

    def _keep(self, row: SealedEvent, *, follows: bool) -> None:
        if len(self.odd) < _MOST_ODD:
            before = tuple(each.hash for each in self._recent)[-_BEFORE:]
            self.odd.append(Odd(row, before, follows))
        else:
            text = "it does not follow from the event before it"
            self.problems.add(named(Found.CHANGED, row.position, read_event(row.document), text))

    def _gap(self, first: int, last: int) -> None:
        self.gaps.append((first, last))
        self._sure = False


def read_event(document: str) -> Event | None:
    """The event of a document; None when it is none any more."""
    try:
        return _decoder.decode(document)
    except (msgspec.MsgspecError, ValueError):
        return None
