"""Counts tokens that were refused, by address, and lets an address that tries too many wait.

A token of 256 random bits is not found by trying; what is kept away is the work that trying makes, and the events. An
address that waits may still show a token that was good lately: others behind the same address are not locked out.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Doorkeeper"]

_MOST_ADDRESSES, _MOST_GOOD = 10_000, 10_000


class Doorkeeper:
    """What one process remembers of callers. Threads share one; each step is one operation on a dict.

    Args:
        tries: refused tokens from one address within a window, beyond which it waits.
        window_s: seconds.
        now: where time comes from.
    """

    def __init__(self, *, tries: int = 20, window_s: float = 60.0, now: Callable[[], float] = time.monotonic) -> None:
        self._tries, self._window_s, self._now = tries, window_s, now
        self._refused: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._good: OrderedDict[str, None] = OrderedDict()

    def waits_s(self, address: str, digest: str) -> float:
        """Seconds for which a token from an address is not even looked at; 0 to look."""
        began, count = self._refused.get(address, (0.0, 0))
        left = began + self._window_s - self._now()
        return left if count >= self._tries and left > 0 and digest not in self._good else 0.0

    def refused(self, address: str) -> bool:
        """Count a refusal; whether it is the first of its window, and so worth an event."""
        now = self._now()
        began, count = self._refused.get(address, (now, 0))
        if now >= began + self._window_s:
            began, count = now, 0
        self._refused[address] = (began, count + 1)
        if len(self._refused) > _MOST_ADDRESSES:
            self._refused.popitem(last=False)
        return count == 0

    def good(self, digest: str) -> None:
        """Remember a token that was let in."""
        self._good[digest] = None
        if len(self._good) > _MOST_GOOD:
            self._good.popitem(last=False)
