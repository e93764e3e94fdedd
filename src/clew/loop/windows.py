"""Windows of an endpoint's life: closed, counted, compared, and valued as labels come.

A window is judged when it has closed, and anew when decisions came late or labels came that are about it. How far the
logs were looked at stands in the windows themselves, so that they and it can only change together. Counting reads what
compaction has counted; only value makes it read rows. Alerts and what follows from them are in `clew.loop.watch`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.errors import Conflict
from clew.core.ids import Digest
from clew.core.types.dataset import LogBatch
from clew.core.types.endpoint import Window
from clew.core.types.profile import HourCounts
from clew.loop.history import History
from clew.loop.labelled import labelled_windows
from clew.loop.monitor import DAY_US, Monitor
from clew.loop.worth import with_worth
from clew.monitoring.drift import LONGEST_WINDOWS, DriftReport, begun_once, look_at_window
from clew.monitoring.logged import EVER_US
from clew.monitoring.profile import add_counts, encode_hours
from clew.monitoring.report import WindowReport, report_of

__all__ = ["Judged", "judge_windows", "put_windows"]

_LABEL_HORIZON_US = 60 * DAY_US
"""How long behind the newest window another one still waits for labels."""

_MOST_WINDOWS = 64
"""So many windows in a row are judged and stored together."""

_MANY_WINDOWS = 8

Key = tuple[int, str]
"""The start of a window and its model version."""

Counts = dict[str, list[int]]


class Judged(NamedTuple):
    """A window as it was judged now, and as it was before: None when it is new."""

    window: Window
    before: Window | None


def judge_windows(monitor: Monitor, until_us: int) -> Iterator[list[Judged]]:
    """Judge every window that has closed by `until_us` and is new, got late decisions, or got labels.

    Each list is to be stored (`put_windows`) before the next one is asked for; the next look does again what was not
    stored. Oldest windows come first.

    Args:
        monitor: of the endpoint.
        until_us: now, in event time.
    """
    look = _Look(monitor, until_us)
    late, labelled = look.late(), look.labelled()
    anew = [(start_us, start_us + monitor.length_us) for start_us, _ in late | labelled]
    stretches = _stretches([*look.unjudged(), *anew], monitor.length_us)
    for number, (low_us, high_us) in enumerate(stretches, 1):
        judged = look.judge(low_us, high_us, late, labelled)
        yield look.signed(judged) if number == len(stretches) else judged
    if not stretches and look.has_labels and (judged := look.signed([])):
        yield judged


def put_windows(tx: Transaction, judged: Iterable[Judged]) -> None:
    """Store what was judged.

    Raises:
        Conflict: another look has judged one of the windows meanwhile.
    """
    for window, before in judged:
        now = tx.windows.find(window.endpoint, window.version, window.start_us)
        if (now and now.revision) != (before and before.revision):
            raise Conflict("another look at the endpoint was faster", hint="nothing is lost: look again")
        tx.windows.put(window)


class _Look:
    """One look: what is known of the endpoint, and what its logs have got since the last look."""

    def __init__(self, monitor: Monitor, until_us: int) -> None:
        self._monitor = monitor
        self._closed_us = monitor.start_of(until_us)
        endpoint = monitor.endpoint
        with monitor.stores.ledger.read() as tx:
            self._decisions, self._labels = tx.logs.position(endpoint.predictions), tx.logs.position(endpoint.labels)
        self._known = {_key(window): window for window in self._windows(until_us)}
        self._newest = self._known[max(self._known)] if self._known else None
        self._seen_decisions = self._seen("judged_decisions")
        self._seen_labels = self._seen("judged_labels")
        end_us = max((window.end_us for window in self._known.values()), default=-EVER_US)
        self._end_us = monitor.start_of(end_us + monitor.length_us - 1)
        """Everything before this was judged, but for what came late."""
        self._history = History(monitor, self._known.values(), until_us=self._end_us)

    @property
    def has_labels(self) -> bool:
        """Whether labels came since the last look."""
        return self._seen_labels < self._labels

    def unjudged(self) -> list[tuple[int, int]]:
        """The times behind the last judged window that batches speak of, as far as windows have closed."""
        if self._end_us >= self._closed_us:
            return []
        start_of = self._monitor.start_of
        return [
            (max(self._end_us, start_of(batch.time_low_us)), min(self._closed_us, batch.time_high_us + 1))
            for batch in self._batches(self._end_us, self._closed_us)
        ]

    def late(self) -> set[Key]:
        """Windows that were judged before some of their decisions were in the log."""
        with self._monitor.stores.ledger.read() as tx:
            fresh = tx.logs.list(self._monitor.endpoint.predictions, after=self._seen_decisions, until=self._decisions)
        before_us = min(self._end_us, self._closed_us)
        return {
            (start_us, counted.decider)
            for batch in fresh
            if batch.time_low_us < before_us and batch.profile
            for counted in [self._monitor.logs.counts(batch.profile)]
            for start_us in map(self._monitor.start_of, counted.hours)
            if start_us < before_us
        }

    def labelled(self) -> set[Key]:
        """Judged windows with decisions that new labels are about."""
        if not self.has_labels or not self._known:
            return set()
        batches = self._batches(min(self._known)[0], self._end_us)
        return labelled_windows(self._monitor, batches, self._seen_labels, self._labels) & self._known.keys()

    def judge(self, low_us: int, high_us: int, late: set[Key], labelled: set[Key]) -> list[Judged]:
        """The new windows of a stretch of time, and those of it that are late or labelled."""
        again = {key: self._find(key) for key in late | labelled if low_us <= key[0] < high_us}
        windows = {key: window for key, window in again.items() if window is not None}
        if high_us > self._end_us or late & again.keys():
            counted = self._counted(low_us, high_us, late)
            for key, profile in self._stored(counted).items():
                windows[key] = self._compared(key, counted[key], profile, again.get(key))
        judged = []
        for key, window in sorted(with_worth(self._monitor, windows, self._decisions, self._labels).items()):
            before = again.get(key)
            revision, now_us = before.revision + 1 if before else 0, self._monitor.stores.clock.now_us()
            fresh = msgspec.structs.replace(window, revision=revision, judged_us=now_us)
            judged.append(Judged(fresh, before))
            if self._newest is None or _key(self._newest) <= key:
                self._newest = fresh
        return judged

    def signed(self, judged: list[Judged]) -> list[Judged]:
        """The last windows of a look, with how far it has looked. The newest window of all is among them."""
        newest = self._newest
        if newest is not None and newest not in [one.window for one in judged]:
            judged = [*judged, Judged(msgspec.structs.replace(newest, revision=newest.revision + 1), newest)]
        seen = {"judged_decisions": self._decisions, "judged_labels": self._labels}
        return [
            Judged(msgspec.structs.replace(window, report={**window.report, **seen}), before)
            for window, before in judged
        ]

    def _windows(self, until_us: int) -> list[Window]:
        """The newest windows, as far back as labels and looks reach, however long ago they were."""
        monitor, endpoint = self._monitor, self._monitor.endpoint
        reach_us = max(_LABEL_HORIZON_US, LONGEST_WINDOWS * monitor.length_us)
        with monitor.stores.ledger.read() as tx:
            newest = tx.logs.list(endpoint.predictions, after=self._decisions - 1, until=self._decisions)
            low_us = min([until_us, *(batch.time_high_us for batch in newest)]) - reach_us
            found = tx.windows.list(endpoint.id, low_us=low_us) or tx.windows.list(endpoint.id)
            from_us = max((window.end_us for window in found), default=0) - reach_us
            if found and from_us < low_us:
                found = tx.windows.list(endpoint.id, low_us=from_us)
        return [window for window in found if window.start_us >= from_us]

    def _seen(self, name: str) -> int:
        """The greatest of the positions that the windows have under a name."""
        positions = [window.report.get(name) for window in self._known.values()]
        return max((position for position in positions if isinstance(position, int)), default=0)

    def _batches(self, low_us: int, high_us: int) -> list[LogBatch]:
        return self._monitor.logs.batches(self._monitor.endpoint.predictions, low_us, high_us, until=self._decisions)

    def _find(self, key: Key) -> Window | None:
        """A judged window, also one from long ago."""
        if key in self._known:
            return self._known[key]
        with self._monitor.stores.ledger.read() as tx:
            return tx.windows.find(self._monitor.endpoint.id, key[1], key[0])

    def _counted(self, low_us: int, high_us: int, late: set[Key]) -> dict[Key, Counts]:
        """Counts of the windows of a stretch that are new or late, from all batches."""
        parts: dict[Key, list[Counts]] = {}
        for batch in self._batches(low_us, high_us):
            if not batch.profile:
                continue
            counted = self._monitor.logs.counts(batch.profile)
            for hour_us, columns in counted.hours.items():
                key = (self._monitor.start_of(hour_us), counted.decider)
                if low_us <= hour_us < high_us and (key[0] >= self._end_us or key in late):
                    parts.setdefault(key, []).append(columns)
        return {key: add_counts(some) for key, some in parts.items()}

    def _stored(self, counted: dict[Key, Counts]) -> dict[Key, Digest]:
        """Counts as objects, oldest windows first: one by one, or many at once when a monitor has much to catch up."""
        encoded = {
            key: encode_hours(HourCounts(decider=key[1], hours={key[0]: counts}))
            for key, counts in sorted(counted.items())
        }
        objects = self._monitor.stores.objects
        if len(encoded) < _MANY_WINDOWS:
            return {key: objects.put(content) for key, content in encoded.items()}
        with objects.batch() as batch:
            return {key: batch.put(content) for key, content in encoded.items()}

    def _compared(self, key: Key, counts: Counts, profile: Digest, before: Window | None) -> Window:
        """A window with its counts, compared with the training profile."""
        monitor, (start_us, version) = self._monitor, key
        report = report_of(before) if before else WindowReport()
        drift = self._drift(key, counts, before)
        window = Window(
            endpoint=monitor.endpoint.id,
            version=version,
            start_us=start_us,
            end_us=start_us + monitor.length_us,
            rows=max((sum(bins) for bins in counts.values()), default=0),
            labels=0,
            profile=profile,
            report=msgspec.to_builtins(msgspec.structs.replace(report, drift=drift)),
            revision=0,
            judged_us=0,
        )
        self._history.add(window)
        return window

    def _drift(self, key: Key, counts: Counts, before: Window | None) -> DriftReport | None:
        profile = self._monitor.deciders(key[1]).profile
        if profile is None:
            return None
        past = self._history.before(*key)
        if known := report_of(before).drift if before else None:
            past = msgspec.structs.replace(past, looks=known.look - 1)
        thresholds = self._monitor.settings.thresholds
        found = look_at_window(profile, counts, past, start_us=key[0], thresholds=thresholds)
        return begun_once(found, key[0], self._history.behind(*key))


def _key(window: Window) -> Key:
    return window.start_us, window.version


def _stretches(spans: Iterable[tuple[int, int]], length_us: int) -> list[tuple[int, int]]:
    """Times that cover all spans: in order, apart, and of at most `_MOST_WINDOWS` windows.

    Args:
        spans: from the start of a window to any time behind it.
        length_us: of a window.
    """
    found: list[tuple[int, int]] = []
    done_us = -EVER_US
    for start_us, end_us in sorted(spans):
        at_us = max(start_us, done_us)
        while at_us < end_us:
            if found and at_us < found[-1][0] + _MOST_WINDOWS * length_us:
                done_us = min(at_us + length_us, found[-1][0] + _MOST_WINDOWS * length_us)
                found[-1] = (found[-1][0], done_us)
            else:
                done_us = at_us + length_us
                found.append((at_us, done_us))
            at_us = done_us
    return found
