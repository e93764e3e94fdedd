"""Points that come at once go in one transaction, and each request still learns what became of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import NotFound
from clew.core.types.run import RunStatus
from clew.server.gather import Gathering
from clew.testing.project import open_stores
from clew.testing.runs import ONE, TWO, a_block, a_run
from clew.tracking.runs import LedgerRuns

ABSENT = "02b0" + "9" * 28


class Counted:
    """A ledger that counts what is written, and lets the first write wait until `go` is set."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.writes, self.go = inner, 0, threading.Event()
        self.read = inner.read

    @contextmanager
    def write(self, *given: Any, **more: Any) -> Iterator[Transaction]:
        self.writes += 1
        self.go.wait(20)
        with self._inner.write(*given, **more) as tx:
            yield tx


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    found = open_stores(tmp_path)
    for run in (ONE, TWO):
        LedgerRuns(found).create(a_run(run), experiment="e")
    yield found
    found.ledger.close()


async def all_at_once(ledger: Counted, gathering: Gathering, runs: LedgerRuns, sent: list[list[Any]]) -> list[Any]:
    """Send all, the first alone and the others while it is being stored; what became of each."""
    tasks = [asyncio.create_task(gathering.append(runs, blocks)) for blocks in sent[:1]]
    while not ledger.writes:
        await asyncio.sleep(0.001)
    tasks += [asyncio.create_task(gathering.append(runs, blocks)) for blocks in sent[1:]]
    await asyncio.sleep(0)
    ledger.go.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


def send(stores: Stores, sent: list[list[Any]]) -> tuple[list[Any], int]:
    """What became of each, and how many transactions it took."""
    ledger = Counted(stores.ledger)
    runs = LedgerRuns(replace(stores, ledger=ledger))  # type: ignore[arg-type]
    return asyncio.run(all_at_once(ledger, Gathering(), runs, sent)), ledger.writes


def sources(stores: Stores, run: str) -> list[str]:
    return [block.source for block in LedgerRuns(stores).blocks(run, "loss")]


def test_what_comes_while_points_are_stored_goes_together(stores: Stores) -> None:
    sent = [[a_block(f"j:{at}-{at}", run=(ONE, TWO)[at % 2], step=float(at))] for at in range(20)]
    found, writes = send(stores, sent)
    assert found == [None] * 20
    assert writes == 2
    assert sources(stores, ONE) == [f"j:{at}-{at}" for at in range(0, 20, 2)]
    assert sources(stores, TWO) == [f"j:{at}-{at}" for at in range(1, 20, 2)]


def test_the_same_points_twice_at_once_are_stored_once(stores: Stores) -> None:
    found, _ = send(stores, [[a_block("j:0-0")], [a_block("j:1-1")], [a_block("j:1-1")], [a_block("j:0-0")]])
    assert found == [None] * 4
    assert sources(stores, ONE) == ["j:0-0", "j:1-1"]
    assert LedgerRuns(stores).summaries([ONE])[0].count == 2


def test_one_that_is_refused_spoils_nobody_elses(stores: Stores) -> None:
    sent = [[a_block("j:0-0")], [a_block("j:1-1")], [a_block("j:2-2", run=ABSENT)], [a_block("j:3-3", run=TWO)]]
    found, _ = send(stores, sent)
    assert [type(each) for each in found] == [type(None), type(None), NotFound, type(None)]
    assert (sources(stores, ONE), sources(stores, TWO)) == (["j:0-0", "j:1-1"], ["j:3-3"])


def test_points_of_a_run_that_has_ended_are_told_of_as_alone(stores: Stores) -> None:
    LedgerRuns(stores).finish(TWO, RunStatus.FINISHED, ended_us=9)
    sent = [[a_block("j:0-0")], [a_block("j:1-1")], [a_block("j:2-2", run=TWO)]]
    found, _ = send(stores, sent)
    assert found == [None] * 3
    with stores.ledger.read() as tx:
        told = [event.subject for event in tx.events.list("p", kind="run.points_added").items]
    assert told == [f"run:{TWO}"]


def test_more_than_fits_into_one_transaction_comes_behind(stores: Stores) -> None:
    large = [a_block(f"j:{at}-{at}", step=float(at)) for at in range(300)]
    found, writes = send(stores, [[a_block("k:0-0")], large, [a_block("l:0-0"), *large], [a_block("m:0-0")]])
    assert found == [None] * 4
    assert writes == 3
    assert len(sources(stores, ONE)) == 303


def test_who_does_not_wait_any_more_holds_up_nobody(stores: Stores) -> None:
    ledger, gathering = Counted(stores.ledger), Gathering()
    runs = LedgerRuns(replace(stores, ledger=ledger))  # type: ignore[arg-type]

    async def impatient() -> None:
        gone = asyncio.create_task(gathering.append(runs, [a_block("j:0-0")]))
        while not ledger.writes:
            await asyncio.sleep(0.001)
        gone.cancel()
        ledger.go.set()
        await gathering.append(runs, [a_block("j:1-1")])

    asyncio.run(impatient())
    assert sources(stores, ONE) == ["j:0-0", "j:1-1"]
