"""Points of several runs that come at once, stored in one transaction, so that many clients cost what few do.

While one transaction is under way, what comes waits for the next one. Nobody waits for a clock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from clew.core.types.series import SeriesBlock
from clew.server.request import in_thread
from clew.tracking.runs import LedgerRuns

__all__ = ["Gathering"]

_MOST_BLOCKS = 500
_log = logging.getLogger(__name__)


class _Part(NamedTuple):
    """What one request adds, through the runs of who asked, and who waits for it."""

    runs: LedgerRuns
    blocks: Sequence[SeriesBlock]
    done: asyncio.Future[None]


class Gathering:
    """The points that wait for one project, in one process. Belongs to one event loop."""

    def __init__(self) -> None:
        self._waiting: list[_Part] = []
        self._task: asyncio.Task[None] | None = None

    async def append(self, runs: LedgerRuns, blocks: Sequence[SeriesBlock]) -> None:
        """Add blocks, together with those of others.

        Raises:
            ClewError: what adding these alone raises.
        """
        part = _Part(runs, blocks, asyncio.get_running_loop().create_future())
        self._waiting.append(part)
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        await part.done

    async def _work(self) -> None:
        try:
            while self._waiting:
                some = self._take()
                for part, error in zip(some, await in_thread(_store, some), strict=True):
                    if part.done.done():  # who asked is gone
                        continue
                    if error is None:
                        part.done.set_result(None)
                    else:
                        part.done.set_exception(error)
        finally:
            self._task = None

    def _take(self) -> list[_Part]:
        """The parts that came first, as many as fit into a transaction of a moderate size."""
        size = count = 0
        for part in self._waiting:
            size += len(part.blocks)
            if count and size > _MOST_BLOCKS:
                break
            count += 1
        some, self._waiting = self._waiting[:count], self._waiting[count:]
        return some


def _store(parts: Sequence[_Part]) -> list[Exception | None]:
    """Store all parts, and what went wrong with each. Where they cannot go together, each goes alone."""
    if len(parts) > 1:
        try:
            if parts[0].runs.append_running([block for part in parts for block in part.blocks]):
                return [None] * len(parts)
        except Exception as error:  # noqa: BLE001 - alone, each learns whether it is the reason
            _log.info("points of %d requests do not go together: %s", len(parts), error)
    return [_store_alone(part) for part in parts]


def _store_alone(part: _Part) -> Exception | None:
    try:
        part.runs.append(part.blocks)
    except Exception as error:  # noqa: BLE001 - a worker loop: it is raised where the request waits
        return error
    return None
