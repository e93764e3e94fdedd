"""What windows of a version came before another one: their counts, how many looks there were, and what had drifted."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from operator import attrgetter

import msgspec

from clew.core.ids import Digest
from clew.core.types.endpoint import Window
from clew.loop.monitor import Monitor
from clew.monitoring.drift import LONGEST_WINDOWS, Before
from clew.monitoring.episodes import Episode
from clew.monitoring.profile import add_counts

__all__ = ["History"]

_start = attrgetter("start_us")


class _Found(msgspec.Struct, frozen=True):
    """What a later look needs of a window's `DriftReport`."""

    look: int = 0
    episodes: dict[str, Episode] = {}


class _Past(msgspec.Struct, frozen=True):
    """What a later look needs of a window."""

    start_us: int
    profile: Digest
    found: _Found


class History:
    """The windows of an endpoint by version, in order of time; those that are judged now are added as they are.

    Args:
        monitor: of the endpoint.
        windows: the known ones: everything that a look at a window from `until_us` on may need.
        until_us: the end of the last judged window.
    """

    def __init__(self, monitor: Monitor, windows: Iterable[Window], *, until_us: int) -> None:
        self._monitor, self._until_us = monitor, until_us
        self._past: dict[str, list[_Past]] = {}
        for window in sorted(windows, key=_start):
            self.add(window)

    def add(self, window: Window) -> None:
        """Add a window, in the place of what it was before if it is judged anew."""
        if not self._fits(window):
            return
        past = self._past.setdefault(window.version, [])
        at = bisect_left(past, window.start_us, key=_start)
        behind = bisect_right(past, window.start_us, key=_start)
        past[at:behind] = [_past(window)]

    def before(self, start_us: int, version: str) -> Before:
        """What a look at a new window takes over: counts are of those windows that it compares together with it."""
        past = self._past.get(version, [])
        if start_us < self._until_us or not past:
            past = self._stored(start_us, version)
        past = past[: bisect_left(past, start_us, key=_start)]
        low_us = start_us - (LONGEST_WINDOWS - 1) * self._monitor.length_us
        recent = [each for each in past[-LONGEST_WINDOWS:] if each.start_us >= low_us]
        last = past[-1].found if past else _Found()
        return Before([self._counts(each) for each in recent], last.look, last.episodes)

    def behind(self, start_us: int, version: str) -> Mapping[str, Episode]:
        """The episodes of the next window that is known, when an earlier one is judged anew."""
        past = self._past.get(version, [])
        at = bisect_right(past, start_us, key=_start)
        return past[at].found.episodes if at < len(past) else {}

    def _stored(self, start_us: int, version: str) -> list[_Past]:
        """From the ledger: for windows of long ago, and versions that have not decided for long."""
        low_us = start_us - LONGEST_WINDOWS * self._monitor.length_us
        with self._monitor.stores.ledger.read() as tx:
            windows, endpoint = tx.windows, self._monitor.endpoint.id
            found = windows.list(endpoint, low_us=low_us, high_us=start_us, version=version)
            found = found or windows.list(endpoint, high_us=start_us, version=version)
        return [_past(window) for window in found if self._fits(window)]

    def _fits(self, window: Window) -> bool:
        """Windows of another length, from before a change of settings, cannot be compared."""
        return window.end_us - window.start_us == self._monitor.length_us

    def _counts(self, past: _Past) -> dict[str, list[int]]:
        return add_counts(list(self._monitor.logs.counts(past.profile).hours.values()))


def _past(window: Window) -> _Past:
    return _Past(window.start_us, window.profile, msgspec.convert(window.report.get("drift") or {}, _Found))
