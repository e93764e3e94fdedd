"""The journal that `run.log` writes to: append-only, one for each process and run.

Not the drain that takes its points to the ledger (`drain`). Promise, layout and threats: docs/design/journal.md. The
path of `log` is plain and flat on purpose: it runs once for each step of somebody's training.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import SupportsFloat

from clew.core.clock import SystemClock
from clew.core.errors import Invalid
from clew.core.ids import Ids
from clew.tracking.cut import Cut, CutFile, cut_path
from clew.tracking.point import Step, check_key, check_step, check_value
from clew.tracking.segments import SMALLEST, Segments
from clew.tracking.slots import (
    FLOAT_STEP,
    HEADER_BYTES,
    INT_STEP,
    SLOT_BYTES,
    Slots,
    name_slots,
    pack_float_step,
    pack_int_step,
    parse_slots,
)

__all__ = ["Journal"]

_RETRY_S = 1.0
_MOST_TOLD = 20
_Points = tuple[dict[str, float], Step | None, int]
_live: weakref.WeakSet[Journal] = weakref.WeakSet()


def _after_fork() -> None:
    for journal in list(_live):
        journal.start_over()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _warn(text: str) -> None:
    import logging

    logging.getLogger("clew.tracking").warning(text)


class Journal:
    """Points of one run, from this process. Threads may share it; a forked child starts a journal of its own.

    One drain may call `take`, `drained`, `prepare` and `close` from a thread of its own.

    Args:
        folder: the folder of the run's journals; made when there is something to keep.
        run: id of the run.
        say: told once when the disk fails, once when points have to be dropped, and once of each metric with a value
            that cannot be kept.
        clock_ns: nanoseconds since 1970 UTC, what points are stamped with.
        clock_s: seconds that do not jump.
        mapped: whether to map files; None finds out.
        smallest: slots of the first segment.
        main: whether the run ends with this process.
        child: whether this process leaves it to others of the run to drain it, as a forked child does.
    """

    def __init__(
        self,
        folder: Path,
        run: str,
        *,
        say: Callable[[str], None] = _warn,
        clock_ns: Callable[[], int] = time.time_ns,
        clock_s: Callable[[], float] = time.monotonic,
        mapped: bool | None = None,
        smallest: int = SMALLEST,
        main: bool = True,
        child: bool = False,
    ) -> None:
        self.folder, self.run = folder, run
        self._say, self._clock_ns, self._clock_s = say, clock_ns, clock_s
        self._mapped, self._smallest = mapped, smallest
        self._main, self._child, self._closed = main, child, False
        self._quiet = False
        self._reset()
        _live.add(self)

    def _reset(self) -> None:
        self.id = Ids(SystemClock())()
        self.dropped = self.refused = 0
        self._lock = threading.RLock()
        self._segments = Segments(
            self.folder,
            run=self.run,
            journal=self.id,
            complain=self._complain,
            clock_ns=self._clock_ns,
            mapped=self._mapped,
            smallest=self._smallest,
            main=self._main,
            child=self._child,
        )
        self._buffer: mmap.mmap | bytearray = bytearray()
        self._write: Callable[[int, int], None] | None = None
        # `_limit` is `_end` while the fast path may run, and 0 while it may not.
        self._at = self._end = self._limit = 0
        self._keys: dict[str, int] = {}
        self._int_heads: dict[str, int] = {}
        self._float_heads: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._busy, self._retry_s = False, 0.0
        self._deferred: list[_Points] = []
        self._drained: tuple[int, dict[int, str]] = (0, {})
        self._taken = self._drained
        self._cut = CutFile(cut_path(self.folder, self.id))
        self._told: set[str] = set()

    def start_over(self) -> None:
        """Forget the parent's files after a fork: this process gets a journal of its own."""
        self._segments.forget()
        self._cut.close(delete=False)
        self._main, self._child = False, True
        self._reset()

    def log(self, values: Mapping[str, SupportsFloat], step: Step | None = None) -> None:
        """Keep one point of each metric; it survives *kill* when this returns.

        What cannot be kept (a value that is no number, a name or a step that cannot be) is told, counted and left out.

        Args:
            values: metric to value; anything that has a float value.
            step: None numbers the points of each metric 0, 1, 2, …

        Raises:
            Invalid: the run has ended.
        """
        now = self._clock_ns()
        size = SLOT_BYTES * len(values)
        with self._lock:
            # No call may stand between reading and moving `_at`: a signal handler could log in between.
            start = at = self._at
            end = start + size
            if end > self._limit or step.__class__ is not int:
                self._log_slowly(values, step, now)
                return
            self._at = end
            buffer, heads, write = self._buffer, self._int_heads, self._write
            try:
                for key, value in values.items():
                    pack_int_step(buffer, at, step, now, value, heads[key])
                    at += SLOT_BYTES
                if write is not None:
                    write(start, end)
                return
            except Exception:  # noqa: BLE001 - whatever a value says when it is asked for its number: see `_checked`
                self._erase(buffer, start, end)
            except BaseException:
                self._erase(buffer, start, end)
                raise
            self._log_slowly(values, step, now)

    def log_at(self, values: Mapping[str, SupportsFloat], step: Step | None, time_ns: int) -> None:
        """`log` with a time of its own, in nanoseconds since 1970 UTC."""
        with self._lock:
            self._log_slowly(values, step, time_ns)

    def go_on(self, counts: Mapping[str, int]) -> None:
        """Number points that are logged without a step from these on, metric by metric."""
        with self._lock:
            self._counts.update(counts)

    def open(self) -> None:
        """Make the first segment, so that the journal can be found and its lock says that its owner lives."""
        with self._lock:
            if self._segments.last is None and not self._closed:
                self._roll(0)

    def end_quietly(self) -> None:
        """From its end on, refuse points without a word: the process ends, and threads that log do not know."""
        self._quiet = True

    def _erase(self, buffer: mmap.mmap | bytearray, start: int, end: int) -> None:
        buffer[start:end] = bytes(end - start)
        if buffer is self._buffer and self._at == end:
            self._at = start

    def _log_slowly(self, values: Mapping[str, SupportsFloat], step: Step | None, now: int) -> None:
        """The whole of `log`, with every check, for a first, unusual or wrong call."""
        if self._closed and self._quiet:
            return
        if self._closed:
            raise Invalid("the run has ended; nothing more can be logged", hint="log inside of its `with` block")
        points = self._checked(values)
        try:
            self._deferred.append((points, None if step is None else check_step(step), now))
        except Invalid as error:
            self._refuse("step", error, len(points))
        self._append_deferred()

    def _append_deferred(self) -> None:
        # A signal handler may log at any call here: who is busy appends for it, and looks again when it is through.
        while self._deferred and not self._busy:
            self._busy, self._limit = True, 0
            try:
                while self._deferred:
                    self._append(*self._deferred.pop(0))
            finally:
                self._busy, self._limit = False, self._end

    def _checked(self, values: Mapping[str, SupportsFloat]) -> dict[str, float]:
        """The points that can be kept; a training does not end for want of the others."""
        points = {}
        for key, value in values.items():
            try:
                points[check_key(key)] = check_value(key, value)
            except Invalid as error:
                self._refuse(f"metric {key!r}", error, 1)
        return points

    def _refuse(self, what: str, error: Invalid, count: int) -> None:
        self.refused += count
        if len(self._told) < _MOST_TOLD:
            self._tell(what, f"not logged: {error.what}" + (f" ({error.hint})" if error.hint else ""))

    def _append(self, points: dict[str, float], step: Step | None, now: int) -> None:
        now_s = self._clock_s()
        if now_s < self._retry_s or not self._make_room(points):
            self.dropped += len(points)
            self._retry_s = self._retry_s if now_s < self._retry_s else now_s + _RETRY_S
            self._tell("dropped", "clew has no room left for metrics, on disk or in memory: points are lost")
            return
        start = at = self._at
        self._at = end = start + SLOT_BYTES * len(points)
        for key, value in points.items():
            where = self._count(key) if step is None else step
            if isinstance(where, int):
                pack_int_step(self._buffer, at, where, now, value, self._int_heads[key])
            else:
                pack_float_step(self._buffer, at, where, now, value, self._float_heads[key])
            at += SLOT_BYTES
        if self._write is not None:
            self._write(start, end)

    def _count(self, key: str) -> int:
        count = self._counts.get(key, 0)
        self._counts[key] = count + 1
        return count

    def _make_room(self, points: Mapping[str, float]) -> bool:
        """A segment in which these keys are named and one point of each fits; False when there is no room at all."""
        names = self._unnamed(points)
        size = sum(map(len, names.values())) + SLOT_BYTES * len(points)
        if self._at + size > self._end:
            self._int_heads, self._float_heads = {}, {}
            names = self._unnamed(points)
            if not self._roll(sum(map(len, names.values())) // SLOT_BYTES + len(points)):
                return False
        for key, slots in names.items():
            self._put_name(key, slots)
        return True

    def _unnamed(self, points: Mapping[str, float]) -> dict[str, bytes]:
        missing = [key for key in points if key not in self._int_heads]
        return {key: name_slots(self._keys.setdefault(key, len(self._keys)), key.encode()) for key in missing}

    def _put_name(self, key: str, slots: bytes) -> None:
        start = self._at
        self._at = end = start + len(slots)
        # Heads last, as for points; a plain slice would do on every machine we know, but nobody promises it.
        for at in range(0, len(slots), SLOT_BYTES):
            self._buffer[start + at : start + at + 24] = slots[at : at + 24]
            struct.pack_into("<Q", self._buffer, start + at + 24, *struct.unpack_from("<Q", slots, at + 24))
        if self._write is not None:
            self._write(start, end)
        self._int_heads[key] = INT_STEP | self._keys[key]
        self._float_heads[key] = FLOAT_STEP | self._keys[key]

    def _roll(self, needed: int) -> bool:
        """Go on in a new segment with room for `needed` slots."""
        segment = self._segments.roll(needed)
        if segment is None:
            self._buffer, self._at, self._end, self._limit, self._write = bytearray(), 0, 0, 0, None
            return False
        if self._child and segment.mapped and not segment.header.number:
            self._cut.write(Cut(0, 0))  # whose lock is for those who drain it from outside
        self._buffer, self._at, self._end = segment.buffer, HEADER_BYTES, segment.size_bytes
        self._write = None if segment.mapped or segment.in_memory else self._write_through
        return True

    def _write_through(self, start: int, end: int) -> None:
        segment = self._segments.kept[-1]
        try:
            segment.write(start, end)
        except OSError as error:
            segment.stay_in_memory(start)
            self._write = None
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        self._tell("memory", f"clew cannot journal in {self.folder} ({error}): until it can, a kill loses points")

    def _tell(self, what: str, text: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._say(text)

    def prepare(self) -> None:
        """Make the next segment in advance, off the path of `log`."""
        with self._lock:
            last = self._segments.last
            full = last is not None and (self._end - self._at) * 2 < last.size_bytes
            if self._closed or self._busy or self._segments.spare is not None or not full:
                return
            segments, header = self._segments, self._segments.reserve()
        segment = segments.make(header)
        if segment is None:
            return
        with self._lock:
            if self._closed or segments is not self._segments:
                segment.close(delete=True)
            else:
                segments.offer(segment)

    @property
    def pending(self) -> int:
        """Slots that were written and not yet drained."""
        with self._lock:
            return max(self._written() - self._drained[0], 0)

    def count_unsafe(self) -> int:
        """How many points are neither drained nor in a file, and go with this process."""
        with self._lock:
            unsafe, drained = [segment for segment in self._segments.kept if segment.in_memory], self._drained[0]
            parts = [parse_slots(bytes(s.buffer[HEADER_BYTES:]), s.header.base, f"journal {self.id}") for s in unsafe]
            safe = [s.header.base + (s.safe_bytes - HEADER_BYTES) // SLOT_BYTES for s in unsafe]
        return sum(int((slots.numbers >= max(drained, end)).sum()) for slots, end in zip(parts, safe, strict=True))

    def _written(self) -> int:
        last = self._segments.last
        if last is None:
            return 0
        return last.header.end if self._end == 0 else last.header.base + (self._at - HEADER_BYTES) // SLOT_BYTES

    def take(self, limit: int) -> Slots | None:
        """Points that are not drained yet, of at most `limit` slots of one segment; None when there are none.

        The same ones again until `drained` is called: a batch that may have been stored is sent again as it was.
        """
        with self._lock:
            drained, names = self._drained
            again = self._taken[0] > drained
            written = self._taken[0] if again else self._written()
            segments = list(self._segments.kept)
        for segment in segments:
            base = segment.header.base
            start = max(drained - base, 0)
            stop = min(written - base, segment.header.capacity, written if again else start + limit)
            if start >= stop:
                continue
            low, high = (HEADER_BYTES + SLOT_BYTES * i for i in (start, stop))
            data = bytes(memoryview(segment.buffer)[low:high])
            slots = parse_slots(data, base + start, f"journal {self.id}", names if start else {})
            self._taken = base + stop, slots.names
            self._cut.write(Cut(drained, base + stop))
            return slots
        return None

    def drained(self) -> None:
        """What `take` gave last is in the ledger: segments that hold nothing else go, but for the first."""
        with self._lock:
            self._drained = self._taken
            self._cut.write(Cut(self._drained[0], self._drained[0]))
            self._segments.let_go(self._drained[0])

    def close(self, *, delete: bool) -> None:
        """End the journal: `log` refuses from now on. Files that are not deleted are adopted later."""
        with self._lock:
            self._closed = True
            self._cut.close(delete=delete)
            self._segments.close(delete=delete)
            self._write = None
            self._buffer, self._at, self._end, self._limit = bytearray(), 0, 0, 0

    def seal(self) -> None:
        """Refuse further points, and keep those that are there for the drain."""
        with self._lock:
            self._append_deferred()  # of a call that was interrupted
            self._closed, self._limit = True, 0
