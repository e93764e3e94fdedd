"""What a run did, written in batches; results are written at once, with what they found waiting.

A record that is lost with a killed process was of a cached step, and the next run finds it again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from clew.core.contracts.services import StepService
from clew.core.types.step import StepEntry, StepRun

__all__ = ["Record"]

_BATCH = 512


class Record:
    """The steps of one run, in the order in which they were reached.

    Args:
        steps: where they are kept.
        run: the id of the run, or empty to keep results without a run.
        listener: is told of each step as it ends, in the thread that ran it.
    """

    def __init__(self, steps: StepService, run: str, listener: Callable[[StepRun], None] | None) -> None:
        self._steps, self._run, self._listener = steps, run, listener
        self._lock = threading.Lock()
        self._waiting: list[StepRun] = []
        self._last = max((step.position for step in steps.of_run(run)), default=0) if run else 0

    def position(self) -> int:
        """The next position."""
        with self._lock:
            self._last += 1
            return self._last

    def add(self, step: StepRun, entries: Sequence[StepEntry] = ()) -> None:
        """Record a step; with entries it is written now, and they survive *kill* when this returns."""
        with self._lock:
            if self._run:
                self._waiting.append(step)
            if entries or len(self._waiting) >= _BATCH:
                self._flush(entries)
        if self._listener is not None:
            self._listener(step)

    def flush(self) -> None:
        """Write what is waiting."""
        with self._lock:
            if self._waiting:
                self._flush(())

    def _flush(self, entries: Sequence[StepEntry]) -> None:
        waiting, self._waiting = self._waiting, []
        self._steps.put(entries, waiting)
