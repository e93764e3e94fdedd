"""The chain of a project as it grows, for those who listen: one look at the ledger for all listeners of a process.

Listeners get sealed events only: their order has no gaps and never changes, so that a listener who was cut off goes on
behind the last position that it saw, here or on another server. While somebody listens, waiting events are sealed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator

from clew.audit.events import LedgerEvents
from clew.audit.seal import seal
from clew.core.contracts.stores import Stores
from clew.core.errors import ClewError
from clew.core.types.event import SealedEvent
from clew.server.request import in_thread

__all__ = ["Feed"]

_EVERY_S, _PATIENCE_S = 0.25, 5.0
_KEPT, _AT_ONCE = 2000, 500
_log = logging.getLogger(__name__)


class Feed:
    """The sealed events of one project.

    Args:
        stores: of the project.
        every_s: seconds between two looks.
    """

    def __init__(self, stores: Stores, *, every_s: float = _EVERY_S) -> None:
        self._stores, self._every_s = stores, every_s
        self._events = LedgerEvents(stores)
        self._kept: deque[SealedEvent] = deque(maxlen=_KEPT)
        self._position = 0
        self._changed: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None

    async def listen(self, after: int, *, heartbeat_s: float) -> AsyncGenerator[list[SealedEvent], None]:
        """Events behind a position, in order, as they are sealed; an empty list when there was none for a while."""
        changed = asyncio.Event()
        self._changed.add(changed)
        try:
            if self._task is None:
                self._position = await in_thread(self._events.tail)
                self._kept.clear()
                if self._task is None:
                    self._task = asyncio.create_task(self._watch())
            while True:
                changed.clear()
                some = await self._behind(after)
                if some:
                    after = some[-1].position
                    yield some
                    continue
                try:
                    await asyncio.wait_for(changed.wait(), heartbeat_s)
                except TimeoutError:
                    yield []
        finally:
            self._changed.discard(changed)
            if not self._changed and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _behind(self, after: int) -> list[SealedEvent]:
        """From what was read for others where that reaches back far enough, and from the ledger otherwise."""
        if after >= self._position:
            return []
        if self._kept and self._kept[0].position <= after + 1:
            return [event for event in self._kept if event.position > after][:_AT_ONCE]
        return await in_thread(lambda: self._events.sealed(after=after, limit=_AT_ONCE))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(await self._look())

    async def _look(self) -> float:
        """Take in what was sealed since; seconds until the next look."""
        try:
            fresh = await in_thread(self._read)
        except ClewError as error:  # a ledger that is busy or away comes back
            _log.warning("events cannot be read: %s", error.what)
            return _PATIENCE_S
        except Exception:  # noqa: BLE001 - a loop of the server: without it, listeners would hear nothing any more
            _log.exception("events cannot be read")
            return _PATIENCE_S
        if fresh:
            self._kept.extend(fresh)
            self._position = fresh[-1].position
            for changed in self._changed:
                changed.set()
        return self._every_s if len(fresh) < _AT_ONCE else 0.0

    def _read(self) -> list[SealedEvent]:
        seal(self._stores)
        return self._events.sealed(after=self._position, limit=_AT_ONCE)
