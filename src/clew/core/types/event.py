"""Events: one line for everything that changed, and the chain of them. Design: docs/design/events.md."""

from __future__ import annotations

import msgspec

from clew.core.hashing import hash_bytes
from clew.core.ids import Digest

__all__ = ["START", "ChainTail", "Event", "SealedEvent", "chain_hash"]

START = Digest("0" * 64)
"""What stands for the hash before the first event."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `kind` is `noun.verb` (`alias.moved`), `subject` the node that changed (`model:…`).

    It is inserted in the transaction that changes the state; sequence number and chained hash come afterwards, from
    the sealer.
    """

    id: str
    project: str
    at_us: int
    actor: str
    kind: str
    subject: str
    facts: dict[str, object] = {}


class ChainTail(msgspec.Struct, frozen=True):
    """The last event of a project's chain: its sequence number, 0 for none, and its hash."""

    position: int = 0
    hash: Digest = START


class SealedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event in the chain, as it is stored: `document` is the JSON that its hash covers, the rest are columns."""

    position: int
    hash: Digest
    id: str
    project: str
    kind: str
    subject: str
    document: str


def chain_hash(position: int, previous: str, document: str) -> Digest:
    """The hash of an event: it covers its place, the hash before it, and every byte of what is stored.

    Args:
        position: its sequence number, from 1.
        previous: the hash of the event before it; `START` for the first.
        document: the event as JSON, as it was stored.
    """
    return hash_bytes(f"clew.event/1\0{position}\0{previous}\0{document}".encode("utf-8", "surrogatepass"))
