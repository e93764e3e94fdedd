"""Signed statements that a chain had this size and this root, and whether they agree with the chain there is.

Where they are kept is `clew.audit.destination`. Layout: docs/design/events.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from clew.audit.destination import Destination
from clew.audit.problem import Found, Problem
from clew.audit.seal import seal
from clew.core.clock import format_us
from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.core.types.edge import node
from clew.core.types.event import START, ChainTail, Event, SealedEvent
from clew.store.signing import SigningKey, fingerprint, is_signed

__all__ = ["ANNOUNCED", "Checkpoint", "Witnesses", "add_checkpoint", "last_taken_us"]

ANNOUNCED = "checkpoint.key_announced"
FORMAT = "clew.checkpoint/1"
_MOST_KEYS = 1000


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a file of checkpoints; the order of the fields is that of the line."""

    format: str
    project: str
    size: int
    root: Digest
    at_us: int
    previous: Digest
    key: str
    signature: str = ""

    def line(self) -> str:
        """The line, without its line feed."""
        return msgspec.json.encode(self).decode()

    def statement(self) -> bytes:
        """What is signed: the line without the signature."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "signature"}
        return msgspec.json.encode(fields)

    @property
    def genuine(self) -> bool:
        """Whether the holder of `key` signed it."""
        return is_signed(self.key, self.signature, tag=FORMAT, data=self.statement())


def add_checkpoint(stores: Stores, destination: Destination, key: SigningKey) -> Checkpoint | None:
    """Seal what waits, and add a checkpoint of the chain; None when the last one there is of this size already.

    Args:
        stores: the project.
        destination: where it is kept.
        key: who signs; it is announced by an event before its first checkpoint.

    Raises:
        Corrupt: the last line there is no checkpoint of this project, or speaks of a chain that was longer.
        Unavailable: the ledger or the place cannot be written.
    """
    _announce(stores, key)
    seal(stores)
    with stores.ledger.read() as tx:
        tail = tx.events.tail(stores.project)
    added: list[Checkpoint] = []

    def next_line(lines: Sequence[str]) -> str | None:
        found = _next(stores, key, tail, lines)
        added.extend([found] if found else [])
        return found.line() if found else None

    destination.append(next_line, f"Checkpoint of {tail.position} events")
    return added[-1] if added else None


def last_taken_us(destination: Destination) -> int:
    """When the last checkpoint of a place was taken; 0 where there is none."""
    lines = destination.lines()
    found = _decoded(lines[-1]) if lines else None
    return found.at_us if found else 0


def _announce(stores: Stores, key: SigningKey) -> None:
    subject = node("project", stores.project)
    with stores.ledger.read() as tx:
        known = tx.events.list(stores.project, kind=ANNOUNCED, limit=_MOST_KEYS).items
    if all(event.facts.get("key") != key.public for event in known):
        with stores.ledger.write() as tx:
            stores.tell(tx, ANNOUNCED, subject, {"key": key.public, "fingerprint": key.fingerprint})


def _next(stores: Stores, key: SigningKey, tail: ChainTail, lines: Sequence[str]) -> Checkpoint | None:
    before = _decoded(lines[-1]) if lines else None
    if lines and (before is None or before.project != stores.project):
        raise Corrupt("the last line there is no checkpoint of this project", hint="keep checkpoints in another place")
    if before is not None and before.size > tail.position:
        what = f"the last checkpoint speaks of {before.size} events, and the chain has {tail.position}"
        raise Corrupt(what, hint="look at what was cut off: clew audit verify --checkpoint PLACE")
    if before is not None and (before.size, before.root) == (tail.position, tail.hash):
        return None
    unsigned = Checkpoint(
        format=FORMAT,
        project=stores.project,
        size=tail.position,
        root=tail.hash,
        at_us=stores.clock.now_us(),
        previous=_digest_of(lines[-1]) if lines else START,
        key=key.public,
    )
    return msgspec.structs.replace(unsigned, signature=key.sign(FORMAT, unsigned.statement()))


def _digest_of(line: str) -> Digest:
    return hash_bytes(line.encode())


def _decoded(line: str) -> Checkpoint | None:
    try:
        found = msgspec.json.decode(line, type=Checkpoint)
    except (msgspec.MsgspecError, ValueError):
        return None
    return found if found.format == FORMAT else None


@dataclass
class Witnesses:
    """The checkpoints of one place, held against a chain that is walked.

    Args:
        lines: the file.
        project: whose chain.
        key: the public key or fingerprint that counts; any that the chain announces when it is empty.
    """

    lines: Sequence[str]
    project: str
    key: str = ""

    def __post_init__(self) -> None:
        self.checkpoints = [_decoded(line) for line in self.lines]
        self._roots: dict[int, str] = {found.size: "" for found in self.checkpoints if found}
        self._announced: dict[str, int] = {}

    @property
    def covers(self) -> int:
        """The greatest size that they speak of."""
        return max(self._roots, default=0)

    def see(self, event: Event | None, row: SealedEvent) -> None:
        """Note the hash at which a checkpoint was taken, and a key that the chain announces."""
        if row.position in self._roots:
            self._roots[row.position] = row.hash
        if event is not None and event.kind == ANNOUNCED:
            self._announced.setdefault(str(event.facts.get("key")), row.position)

    def end(self, tail: ChainTail) -> Iterator[Problem]:
        """What is wrong with them, or with the chain by what they say."""
        previous, size = START, 0
        for number, (line, found) in enumerate(zip(self.lines, self.checkpoints, strict=True), start=1):
            text = self._problem(found, previous, size, tail)
            if text:
                where = f"checkpoint {number}" + (f" of {format_us(found.at_us)}" if found else "")
                yield Problem(
                    found=Found.CHECKPOINT, text=f"{where}: {text}", position=found.size if found else 0, row=where
                )
            previous, size = _digest_of(line), found.size if found else size

    def _problem(self, found: Checkpoint | None, previous: str, size: int, tail: ChainTail) -> str:
        if found is None:
            return "it cannot be read"
        if not found.genuine:
            return "its signature does not belong to what it says"
        if found.project != self.project:
            return f"it is of another project, {found.project}"
        if found.previous != previous:
            return "it does not follow from the line before it: a line was changed, put in or taken away"
        if found.size < size:
            return f"it speaks of {found.size} events, and the one before it of {size}"
        if found.size > tail.position:
            return f"there were {found.size} events, and there are {tail.position} now: the end was cut off"
        if not self._counts(found):
            return f"it is signed by another key, {fingerprint(found.key)}"
        if self._roots[found.size] != found.root:
            return f"event {found.size} had another hash then: an event at or before it was changed, and hashed anew"
        return ""

    def _counts(self, found: Checkpoint) -> bool:
        if self.key:
            return self.key in (found.key, fingerprint(found.key))
        return self._announced.get(found.key, found.size + 1) <= found.size
