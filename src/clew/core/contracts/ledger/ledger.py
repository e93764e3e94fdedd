"""The unit of work over all repositories, and what it promises."""

from __future__ import annotations

from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol

from clew.core.contracts.ledger.transaction import Transaction
from clew.core.types.edge import Node

__all__ = ["Durability", "Ledger"]


class Durability(StrEnum):
    """What a committed transaction survives (docs/design/failures.md)."""

    KILL = "kill"
    POWER = "power"


class Ledger(Protocol):
    """A unit of work over all repositories.

    Threads and processes may share one ledger; each `with` block belongs to the thread that opened it. Reads see one
    consistent state. Writers of a project queue, so that what a block has read holds until it is committed: a write
    block is short, does no I/O of its own and never spans a network call. An exception in the block rolls everything
    back. Blocks do not nest. Texts are ordered by code point.

    Errors: `Unavailable` when the database is locked for too long, full or gone; `Corrupt` when it is damaged;
    `Invalid` when it was made by a newer clew.
    """

    def read(self) -> AbstractContextManager[Transaction]:
        """A read-only transaction; writing in it is an error of the caller, a `TypeError`, and changes nothing."""
        ...

    def write(
        self, durability: Durability = Durability.POWER, *, within: Node | tuple[Node, ...] = ""
    ) -> AbstractContextManager[Transaction]:
        """A transaction that is committed at the end of the block.

        Args:
            durability: what it survives.
            within: the node (`run:ID`), or the nodes, whose rows are all that the block reads and changes, beside edges
                and events that it adds. It need not wait for blocks within other nodes then. Leave it out where a block
                also looks at anything else.
        """
        ...

    def close(self) -> None:
        """Let go of connections. Closing twice is fine."""
        ...
