"""Puts waiting events into the chain. Who calls it: the worker all the time, and `clew audit` before it looks."""

from __future__ import annotations

import threading

from clew.core.contracts.stores import Stores

__all__ = ["seal"]

_AT_ONCE = 1000


def seal(stores: Stores, *, stop: threading.Event | None = None) -> int:
    """Seal what waits now, in transactions of up to 1,000 events; survives *power*.

    Args:
        stores: the project.
        stop: ends after the transaction at hand.

    Returns:
        How many events were sealed.

    Raises:
        Corrupt: there are events behind the end of the chain.
        Unavailable: the ledger cannot be written now.
    """
    sealed = 0
    while not (stop is not None and stop.is_set()) and _waits(stores):
        with stores.ledger.write(within=f"chain:{stores.project}") as tx:
            some = tx.events.seal(stores.project, limit=_AT_ONCE)
        sealed += some
        if some < _AT_ONCE:
            break
    return sealed


def _waits(stores: Stores) -> bool:
    """A look without a writer's lock: most looks find nothing."""
    with stores.ledger.read() as tx:
        return bool(tx.events.waiting(stores.project, limit=1))
