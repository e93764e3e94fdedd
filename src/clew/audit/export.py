"""Writes the chain so that others can check it with nothing of clew: one line of JSON for each event."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from clew.core.contracts.stores import Stores

__all__ = ["export"]

_AT_ONCE = 1000


def export(stores: Stores, write: Callable[[bytes], object], *, after: int = 0) -> int:
    """Write `{"position": …, "hash": …, "event": …}` for each sealed event in order; `event` is the hashed text.

    Args:
        stores: the project.
        write: takes the bytes of one line.
        after: the position behind which to start.

    Returns:
        How many lines that were.
    """
    count = 0
    while True:
        with stores.ledger.read() as tx:
            rows = tx.events.sealed(stores.project, after=after, limit=_AT_ONCE)
        for row in rows:
            line = {"position": row.position, "hash": row.hash, "event": row.document}
            write(msgspec.json.encode(line) + b"\n")
        if not rows:
            return count
        count, after = count + len(rows), rows[-1].position
