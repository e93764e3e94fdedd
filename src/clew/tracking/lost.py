"""Runs whose process is on another machine and gives no sign of life any more.

It is counted, not timed, when they last did: a run is lost when its count stands still for `after_s` by a clock that
only runs while this process does, so that a clock that jumps, a machine that slept, or a server that was started again
loses nobody. Journals of this machine need none of that: their lock says who lives (`adopt`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from clew.core.types.beat import Beat

if TYPE_CHECKING:
    from clew.core.contracts.stores import Stores

__all__ = ["BEAT_S", "Lost"]

BEAT_S = 20.0
"""How often a process gives a sign of life."""

_AFTER_S = 90.0


class Lost:
    """Looks for runs that are lost.

    Args:
        clock_s: seconds that do not jump.
        after_s: how long a run may be silent.
    """

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic, after_s: float = _AFTER_S) -> None:
        self._clock_s, self._after_s = clock_s, after_s
        self._seen: dict[str, tuple[int, float]] = {}

    def look(self, stores: Stores) -> list[str]:
        """End the runs of a project that have been silent for too long, and return them."""
        from clew.tracking.runs import LedgerRuns

        with stores.ledger.read() as tx:
            beats = tx.beats.list(stores.project)
        self._seen = {beat.run: self._seen[beat.run] for beat in beats if beat.run in self._seen}
        reason = f"no sign of life of its process for {self._after_s:g} s"
        silent = [beat for beat in beats if self._is_silent(beat)]
        return [beat.run for beat in silent if LedgerRuns(stores).lose(beat, reason=reason)]

    def _is_silent(self, beat: Beat) -> bool:
        now = self._clock_s()
        count, since = self._seen.get(beat.run, (-1, now))
        if count != beat.count:
            self._seen[beat.run] = (beat.count, now)
            return False
        return now - since > self._after_s
