"""Events: one line for everything that changed."""

from __future__ import annotations

import msgspec

__all__ = ["Event"]


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
