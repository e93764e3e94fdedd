"""Seals events all the time, in a thread of the worker's own: a job that takes an hour must not hold the chain up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clew.audit.seal import seal
from clew.core.contracts.stores import Stores
from clew.core.errors import ClewError

__all__ = ["sealing"]

_EVERY_S, _PATIENCE_S = 0.5, 10.0
_log = logging.getLogger("clew.sealer")


@contextmanager
def sealing(stores: Stores, *, after: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Seal what waits, twice a second, while the block runs, and once more at its end.

    Any number of processes may do so for one project: they queue in the ledger.

    Args:
        stores: the project.
        after: called after each look, for what is done with a sealed chain now and then.
    """
    stop = threading.Event()

    def look() -> None:
        try:
            seal(stores, stop=stop)
            after()
        except ClewError as error:  # a ledger that is busy, a disk that is full: not for ever
            _log.warning("events wait to be sealed: %s", error.what)
            stop.wait(_PATIENCE_S)

    def run() -> None:
        while not stop.wait(_EVERY_S):
            look()

    thread = threading.Thread(target=run, name="clew-sealer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_PATIENCE_S)
        try:
            seal(stores)
        except ClewError as error:
            _log.warning("events wait to be sealed: %s", error.what)
