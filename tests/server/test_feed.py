"""The chain as it grows, for listeners of one process: they go on whatever a look at the ledger comes to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from clew.server import feed
from clew.server.feed import Feed
from clew.testing.project import open_stores
from clew.testing.runs import a_run
from clew.tracking.runs import LedgerRuns


async def first_of(watched: Feed) -> list[int]:
    """The positions of the first events that a listener hears of."""
    listening = watched.listen(0, heartbeat_s=20.0)
    try:
        return [event.position for event in await anext(listening)]
    finally:
        await listening.aclose()


def test_a_listener_hears_on_after_a_look_that_failed_for_no_known_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stores = open_stores(tmp_path)
    LedgerRuns(stores).create(a_run(), experiment="e")
    looks: list[int] = []

    def seal(*given: Any) -> Any:
        looks.append(1)
        if len(looks) == 1:
            raise RuntimeError("a defect")
        return sealed(*given)

    sealed = feed.seal
    monkeypatch.setattr(feed, "seal", seal)
    monkeypatch.setattr(feed, "_PATIENCE_S", 0.01)
    assert asyncio.run(asyncio.wait_for(first_of(Feed(stores, every_s=0.01)), 20)) == [1]
    assert "a defect" in caplog.text
    stores.ledger.close()


def test_nothing_watches_for_a_listener_who_could_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = open_stores(tmp_path)
    LedgerRuns(stores).create(a_run(), experiment="e")
    watched = Feed(stores, every_s=0.01)

    def tail() -> int:
        raise RuntimeError("the ledger is away")

    async def act() -> None:
        with monkeypatch.context() as broken:
            broken.setattr(watched._events, "tail", tail)
            with pytest.raises(RuntimeError):
                await first_of(watched)
        assert await first_of(watched) == [1]
        assert watched._task is None

    asyncio.run(asyncio.wait_for(act(), 20))
    stores.ledger.close()
