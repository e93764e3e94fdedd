"""Identifiers: UUIDv7 in 32 hex digits, sortable by the time at which they were made."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import NewType

from clew.core.clock import Clock

__all__ = ["Digest", "IdSource", "Ids", "is_id", "time_us_of"]

Digest = NewType("Digest", str)
"""BLAKE3-256 of some bytes, 64 hex digits."""

IdSource = Callable[[], str]
"""Anything that gives a fresh id: `Ids`, or a counter in a test."""

_HEX = frozenset("0123456789abcdef")


_forks = 0
"""How often this process and those before it were forked: what a parent drew is not the child's."""


def _forked() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class _Drawn:
    """Random bytes, drawn a page at a time: a system call for each id costs more than the id. For one thread at a
    time."""

    def __init__(self) -> None:
        self._page, self._at, self._forks = b"", 0, _forks

    def __call__(self, count: int) -> bytes:
        """So many bytes, at most 4,096."""
        if self._at + count > len(self._page) or self._forks != _forks:
            self._page, self._at, self._forks = os.urandom(4096), 0, _forks
        self._at += count
        return self._page[self._at - count : self._at]


class Ids:
    """Makes UUIDv7 ids that increase strictly within a process, also when the clock steps back.

    Layout (RFC 9562 §5.7, method 1): 48 bits of milliseconds, version 7, 12 bits counter, variant 10, 62 random bits.
    Threads may share one. Two processes differ in their random bits, a forked child from its parent too.
    """

    def __init__(self, clock: Clock, random: Callable[[int], bytes] | None = None) -> None:
        self._clock, self._random = clock, random or _Drawn()
        self._lock = threading.Lock()
        self._ms, self._count = 0, 0

    def __call__(self) -> str:
        """A fresh id."""
        with self._lock:
            ms = self._clock.now_us() // 1000
            if ms > self._ms:
                self._ms, self._count = ms, 0
            else:
                self._count += 1
                if self._count > 0xFFF:
                    self._ms, self._count = self._ms + 1, 0
            ms, count, drawn = self._ms, self._count, self._random(8)
        tail = int.from_bytes(drawn, "big") & 0x3FFF_FFFF_FFFF_FFFF
        return f"{ms << 80 | 0x7 << 76 | count << 64 | 0b10 << 62 | tail:032x}"


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id."""
    return len(text) == 32 and set(text) <= _HEX


def time_us_of(id: str) -> int:
    """The time at which an id was made, microseconds since 1970 UTC, to the millisecond."""
    return int(id[:12], 16) * 1000
