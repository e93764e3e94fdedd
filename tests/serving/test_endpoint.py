"""Versions follow the aliases, whatever fails meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from clew.core.errors import Corrupt, Unavailable
from clew.core.types.endpoint import Endpoint
from clew.core.types.model import ModelVersion
from clew.serving import endpoint as module
from clew.serving.endpoint import declare, load_slots, watch
from clew.serving.slots import Served, Slots
from clew.testing.life import Life


@pytest.fixture
def live(life: Life) -> Endpoint:
    """An endpoint of an alias that no gate guards: version 1 answers, version 2 is tried."""
    life.workspace.promote("delay@1", "live")
    life.workspace.promote("delay@2", "tried")
    return declare(life.stores, "other", model="delay", alias="live")


def loader(*broken: int) -> Callable[[ModelVersion], Served]:
    def load(version: ModelVersion) -> Served:
        if version.number in broken:
            raise Corrupt(f"{version.reference} is damaged")
        return Served(version=version, signature=cast("Any", None), scorer=cast("Any", None), check=lambda _: ())

    return load


def numbers(slots: Slots) -> list[int]:
    return [served.version.number for served in (slots.champion, *slots.shadows)]


def follow(life: Life, live: Endpoint, slots: Slots, load: Callable[[ModelVersion], Served], *, swaps: int) -> Slots:
    """Watch until it has swapped so often, and has written down what runs then."""
    stop, seen = threading.Event(), [slots]
    watching = threading.Thread(
        target=watch,
        args=(life.stores, live),
        kwargs={"shadows": ["tried"], "load": load, "slots": slots, "swap": seen.append, "stop": stop, "every_s": 0.01},
    )
    watching.start()
    for _ in range(1000):
        if len(seen) > swaps and life.events("endpoint.serves"):
            break
        stop.wait(0.01)
    stop.set()
    watching.join()
    assert len(seen) == swaps + 1
    return seen[-1]


def test_a_broken_version_in_shadow_keeps_no_other_from_answering(life: Life, live: Endpoint) -> None:
    slots = load_slots(life.stores, live, shadows=["tried"], load=loader(2))
    assert numbers(slots) == [1]
    life.workspace.promote("delay@3", "live")
    assert numbers(follow(life, live, slots, loader(2), swaps=1)) == [3]


def test_a_version_that_cannot_be_loaded_does_not_answer(life: Life, live: Endpoint) -> None:
    slots = load_slots(life.stores, live, shadows=["tried"], load=loader(3))
    life.workspace.promote("delay@3", "live")
    assert numbers(follow(life, live, slots, loader(3), swaps=0)) == [1, 2]


def test_a_ledger_that_is_busy_when_a_replica_starts_ends_no_watch(
    life: Life, live: Endpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slots = load_slots(life.stores, live, shadows=["tried"], load=loader())
    told, busy = module._record_served, [True, True]

    def record(*args: Any) -> None:
        if busy and busy.pop():
            raise Unavailable("the ledger is busy")
        told(*args)

    monkeypatch.setattr(module, "_record_served", record)
    life.workspace.promote("delay@3", "live")
    assert numbers(follow(life, live, slots, loader(), swaps=1)) == [3, 2]
    assert life.events("endpoint.serves")[0].facts["champion"] == "delay@3"
    assert [record.getMessage() for record in caplog.records].count(
        "the aliases of endpoint other cannot be followed now"
    ) == 1
