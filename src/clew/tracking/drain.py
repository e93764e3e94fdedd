"""Takes the points of a journal to the ledger, in the background.

Not the journal (`journal`), and not what happens to journals whose process is gone (`adopt`). A batch that is sent
twice lands once, because each block names the slots that it came from (docs/design/journal.md). Drains are spaced
further apart the longer a run lasts, so that a slow metric does not become thousands of tiny blocks, and the more they
cost, as those of thousands of metrics do.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol

from clew.core.errors import ClewError, Unavailable
from clew.core.types.series import SeriesBlock
from clew.tracking.journal import Journal
from clew.tracking.lost import BEAT_S
from clew.tracking.series import Points, block_of, cut
from clew.tracking.slots import Slots

__all__ = ["Drain", "Post", "Send", "blocks_of", "drained_until", "load_codec"]

Send = Callable[[Sequence[SeriesBlock]], None]
"""Stores blocks; returns when they survive *kill*, raises when they do not."""


class Post(Protocol):
    """What else a run says, beside its points."""

    @property
    def waits(self) -> bool:
        """Whether there is something to hand over."""
        ...

    def deliver(self, *, to_end: bool) -> None:
        """Hand it over, with or without the end of the run. Raises what the services raise."""
        ...


_TICK_S, _FIRST_S, _LONGEST_S, _SHARE = 0.25, 1.0, 60.0, 0.05
_BATCH_SLOTS = 1 << 17
_MANY = 1 << 18
_AGAIN_S, _GONE_S, _SILENT_S = 0.5, 5.0, 1.0


def blocks_of(run: str, journal: str, slots: Slots) -> Iterator[SeriesBlock]:
    """Points of a journal as blocks, series by series."""
    import numpy as np

    if not len(slots.keys):
        return
    narrow = slots.keys.astype(np.uint16) if max(slots.names) < 1 << 16 else slots.keys
    order = np.argsort(narrow, kind="stable")
    keys = slots.keys[order]
    edges = [0, *(np.flatnonzero(keys[1:] != keys[:-1]) + 1).tolist(), len(keys)]
    for start, stop in pairwise(edges):
        at = order[start:stop]
        times, values, numbers = slots.times_us[at], slots.values[at], slots.numbers[at]
        name = slots.names[int(keys[start])]
        for part, steps in cut(slots.steps[at], slots.float_step[at]):
            source = f"{journal}:{numbers[part.start]}-{numbers[part.stop - 1]}"
            yield block_of(run, name, source, Points(steps, times[part], values[part]))


def drained_until(journal: str, sources: Sequence[str]) -> int:
    """The last slot of a journal that these blocks of one series hold; −1 for none."""
    mine = [source for source in sources if source.startswith(f"{journal}:")]
    return max((int(source.rpartition("-")[2]) for source in mine), default=-1)


def load_codec() -> None:
    """Load what blocks are made with. Done by the drain, it would hold up all threads for tens of milliseconds."""
    import numpy  # noqa: F401
    import zstandard  # noqa: F401


class Drain:
    """Drains one journal, by a thread of its own until `finish`.

    Args:
        journal: where points come from.
        send: where they go to.
        say: told once when the ledger cannot be reached; logging goes on.
        post: what goes the same way, behind the points that came before it.
        beside: called behind both; stores what comes from elsewhere.
        beat: called every `BEAT_S`; what it raises is of no consequence.
    """

    def __init__(
        self,
        journal: Journal,
        send: Send,
        *,
        say: Callable[[str], None],
        post: Post | None = None,
        beside: Callable[[], object] = lambda: None,
        beat: Callable[[], object] = lambda: None,
    ) -> None:
        self._journal, self._send, self._say, self._post = journal, send, say, post
        self._beside, self._beat, self._beats = beside, beat, time.monotonic() + BEAT_S
        self._stop, self._turn = threading.Event(), threading.Lock()
        self._started = self._last = time.monotonic()
        self._wait_s, self._gone_s, self._until_s = 0.0, _GONE_S, 0.0
        self._cost_s = 0.0  # processor time of the last drain, which the training does not get
        self._failed: Exception | None = None
        self._close: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._work, name="clew-drain", daemon=True)

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def flush(self) -> None:
        """Send everything that was logged before this call.

        Raises:
            ClewError: it cannot be stored now; it is still in the journal.
        """
        with self._turn:
            while (slots := self._journal.take(_BATCH_SLOTS)) is not None:
                blocks = list(blocks_of(self._journal.run, self._journal.id, slots))
                if blocks:
                    self._send(blocks)
                self._journal.drained()
                self._beat_if_due()
            if self._post is not None:
                self._post.deliver(to_end=False)
            self._beside()

    def finish(self) -> None:
        """Stop the thread, refuse further points, and send the rest.

        Raises:
            ClewError: the rest cannot be stored now; it is still in the journal.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._journal.seal()
        self.flush()

    def finish_within(self, wait_s: float, close: Callable[[], None], *, again: bool = True) -> None:
        """`finish`, then `close`, in the background, and wait for it no longer than this.

        Who does not answer is asked `again` for some seconds, unless another process will do that.

        Raises:
            ClewError: not all is stored; it is still in the journal.
        """
        self._journal.seal()
        # A server that did not answer a moment ago gets one more chance, and no more.
        self._gone_s = _GONE_S if again else 0.0
        self._until_s = time.monotonic() + (min(wait_s, self._gone_s) if self._failed else wait_s)
        self._close = close if wait_s else None
        self._stop.set()
        if self._thread.is_alive():  # also who is offline waits: an interpreter that ends under its work aborts
            self._thread.join(min(_SILENT_S, wait_s) or _GONE_S)
        if not wait_s:
            raise Unavailable("this run is offline")
        if self._thread.is_alive() and (left_s := self._until_s - time.monotonic()) > 0:
            self._say(f"waiting for the server to take the rest, for at most {left_s:.0f} s")
            self._thread.join(left_s)
        if self._close is not None:
            reason = self._failed or f"the server did not take all of it within {wait_s:g} s"
            raise Unavailable(getattr(reason, "what", str(reason)))

    def _work(self) -> None:
        while not self._stop.wait(_TICK_S):
            self._journal.prepare()
            if self._due():
                self._try()
            self._beat_if_due()
        while self._close is not None:
            try:
                self.flush()
                self._close()
                self._close = None
            except Exception as error:  # noqa: BLE001 - as in `_try`
                if self._failed is None:  # it has gone just now: it may be back in a moment, or not for long
                    self._until_s = min(self._until_s, time.monotonic() + self._gone_s)
                self._failed = error
                if time.monotonic() + _AGAIN_S > self._until_s:
                    return
                time.sleep(_AGAIN_S)

    def _beat_if_due(self) -> None:
        if time.monotonic() >= self._beats and threading.current_thread() is self._thread:
            self._beats = time.monotonic() + BEAT_S
            with contextlib.suppress(ClewError):  # the next one, or the drain itself, says more
                self._beat()

    def _due(self) -> bool:
        now = time.monotonic()
        usual = min(max(_FIRST_S, (now - self._started) * _SHARE, self._cost_s / _SHARE), _LONGEST_S)
        many = self._journal.pending >= _MANY or (self._post is not None and self._post.waits)
        return (many and self._failed is None) or now - self._last >= max(usual, self._wait_s)

    def _try(self) -> None:
        before_s = time.thread_time()
        try:
            self.flush()
        except Exception as error:  # noqa: BLE001 - a worker loop: training must go on, and the journal keeps all
            self._wait_s = min(max(1.0, self._wait_s * 2), _LONGEST_S)
            if self._failed is None:
                self._say(f"clew cannot store metrics now ({_in_line(error)}); they stay in {self._journal.folder}")
            self._failed = error
        else:
            self._wait_s, self._failed = 0.0, None
        self._last, self._cost_s = time.monotonic(), time.thread_time() - before_s


def _in_line(error: Exception) -> str:
    """An error within a sentence: without its hint, which is a line of its own."""
    return error.what if isinstance(error, ClewError) else str(error)
