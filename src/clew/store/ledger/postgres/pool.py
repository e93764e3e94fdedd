"""Connections to lend: few, made when they are needed, used again, and never shared with a forked process."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from clew.core.errors import Unavailable
from clew.store.ledger.postgres.address import Address
from clew.store.ledger.postgres.connection import PostgresConnection

__all__ = ["Pool"]


class Pool:
    """At most `most` connections of this process, newest first. Threads share it; a lent one belongs to its borrower.

    Args:
        address: of the database.
        most: how many there may be at once.
        wait_s: how long a borrower waits when all are lent.
    """

    def __init__(self, address: Address, *, most: int, wait_s: float) -> None:
        self._address, self._most, self._wait_s = address, most, wait_s
        self._before_fork: list[PostgresConnection] = []
        self._idle: list[PostgresConnection] = []
        self._begin()

    @contextmanager
    def lend(self) -> Iterator[PostgresConnection]:
        """A connection that is in no transaction, before and behind the block.

        Raises:
            Unavailable: all are lent for too long, or none can be made.
        """
        if self._pid != os.getpid():
            self._begin()
        places, generation = self._places, self._generation
        if not places.acquire(timeout=self._wait_s):
            raise Unavailable(f"all {self._most} connections to the ledger {self._address} are in use")
        try:
            lent = self._take() or PostgresConnection(self._address)
            try:
                yield lent
            finally:
                if lent.reusable and generation == self._generation and self._pid == os.getpid():
                    self._idle.append(lent)
                else:
                    lent.close()
        finally:
            places.release()

    def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        self._generation += 1
        _end(self._pid, self._idle)

    def _begin(self) -> None:
        """Start anew. What a parent process made is kept, untouched, so that nobody ends it."""
        self._before_fork += self._idle
        self._pid, self._idle, self._generation = os.getpid(), [], 0
        weakref.finalize(self, _end, self._pid, self._idle)
        self._places = threading.Semaphore(self._most)

    def _take(self) -> PostgresConnection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None


def _end(pid: int, idle: list[PostgresConnection]) -> None:
    """Close idle connections, unless they are those of a parent process."""
    if pid == os.getpid():
        while idle:
            idle.pop().close()
