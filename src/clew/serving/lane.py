"""Slow work beside the event loop: one thread and a queue with an end, which refuses rather than grows.

Used for versions in shadow that answer in milliseconds, which the next request would have to wait for. What is refused
is the caller's to count.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from time import monotonic

__all__ = ["Lane"]

_MOST, _PATIENCE_S = 256, 10.0
_log = logging.getLogger("clew.serving")
Work = Callable[[], None]


class Lane:
    """Does pieces of work one after the other, of which no more than 256 wait; its thread starts with the first one.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._waiting: queue.Queue[Work | None] = queue.Queue(_MOST)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._started = False

    def offer(self, work: Work) -> bool:
        """Have it done later; False when too much waits already. The work may not raise."""
        if not self._started:
            self._started = True
            self._thread.start()
        try:
            self._waiting.put_nowait(work)
        except queue.Full:
            return False
        return True

    def close(self) -> int:
        """Do what waits and end; what could not be done in ten seconds is given up.

        Returns:
            How many pieces were given up.
        """
        if not self._started:
            return 0
        until = monotonic() + _PATIENCE_S
        try:
            self._waiting.put(None, timeout=_PATIENCE_S)
        except queue.Full:
            return self._waiting.qsize()
        self._thread.join(max(0.0, until - monotonic()))
        return max(0, self._waiting.qsize() - 1) if self._thread.is_alive() else 0

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None:
            try:
                work()
            except Exception:  # noqa: BLE001 - the thread must outlive its work
                _log.exception("%s failed", self._thread.name)
