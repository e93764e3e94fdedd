"""Sealing: one chain, whoever seals, whoever dies, and whenever things become visible."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.audit.seal import seal
from clew.audit.verify import verify
from clew.core.contracts.ledger import Durability, Ledger
from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt
from clew.core.types.event import START, Event, SealedEvent, chain_hash
from clew.store.ledger.memory import MemoryLedger
from clew.store.ledger.postgres import PostgresLedger
from clew.store.ledger.sqlite import SqliteLedger
from clew.testing.clock import ManualClock
from clew.testing.project import open_stores

SEALER = """
import sys
from pathlib import Path
from clew.audit.seal import seal
from clew.testing.project import open_stores
stores = open_stores(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    seal(stores)
"""


def tell(stores: Stores, times: int, name: str = "run") -> None:
    for number in range(times):
        with stores.ledger.write(Durability.KILL, within=f"run:{name}") as tx:
            stores.tell(tx, "run.created", f"run:{name}{number}", {"number": number})


def chain_of(ledger: Ledger, project: str = "p") -> list[SealedEvent]:
    """The whole chain, checked link by link."""
    with ledger.read() as tx:
        chain, tail = tx.events.sealed(project, limit=1_000_000), tx.events.tail(project)
    previous = START
    for position, event in enumerate(chain, start=1):
        assert event.position == position
        assert event.hash == chain_hash(position, previous, event.document)
        previous = event.hash
    assert (tail.position, tail.hash) == (len(chain), previous)
    return chain


def started(folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", SEALER, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def ended(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_two_sealers_in_two_processes_make_one_chain(tmp_path: Path) -> None:
    stores = open_stores(tmp_path / "p")
    sealers = [started(tmp_path / "p") for _ in range(2)]
    threads = [threading.Thread(target=tell, args=(stores, 100, name)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sealer in sealers:
        ended(sealer)
    seal(stores)
    chain = chain_of(stores.ledger)
    assert len({event.id for event in chain}) == len(chain) == 200
    for name in "ab":
        mine = [event.subject for event in chain if event.subject.startswith(f"run:{name}")]
        assert mine == [f"run:{name}{number}" for number in range(100)]
    stores.ledger.close()


def test_a_sealer_that_is_killed_leaves_whole_batches(tmp_path: Path) -> None:
    stores = open_stores(tmp_path / "p")
    chance = random.Random(7)
    before: list[SealedEvent] = []
    for _ in range(6):
        sealer = started(tmp_path / "p")
        tell(stores, 40)
        time.sleep(chance.random() * 0.02)
        ended(sealer)
        chain = chain_of(stores.ledger)
        assert chain[: len(before)] == before
        before = chain
    seal(stores)
    assert len(chain_of(stores.ledger)) == 240
    assert verify(stores).holds
    stores.ledger.close()


def test_a_sealer_that_dies_before_it_commits_leaves_nothing(tmp_path: Path) -> None:
    stores = open_stores(tmp_path / "p")
    tell(stores, 5)
    child = os.fork()
    if child == 0:
        with stores.ledger.write() as tx:
            tx.events.seal("p")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert chain_of(stores.ledger) == []
    assert seal(stores) == 5
    assert len(chain_of(stores.ledger)) == 5
    stores.ledger.close()


def test_a_clock_that_goes_backwards_changes_no_order(tmp_path: Path) -> None:
    clock = ManualClock()
    stores = open_stores(tmp_path / "p", clock=clock)
    for number in range(6):
        tell(stores, 1, f"{number}-")
        clock.advance(-3_600_000_000)
        if number % 2:
            seal(stores)
    chain = chain_of(stores.ledger)
    assert [event.subject for event in chain] == [f"run:{number}-0" for number in range(6)]
    assert verify(stores).holds
    stores.ledger.close()


def test_an_event_that_another_process_made_with_a_slow_clock_stands_where_it_came(tmp_path: Path) -> None:
    fast = open_stores(tmp_path / "p")
    slow = open_stores(tmp_path / "p", clock=ManualClock(1_000_000))
    tell(fast, 1, "first")
    tell(slow, 1, "second")
    seal(fast)
    assert [event.subject for event in chain_of(fast.ledger)] == ["run:first0", "run:second0"]
    fast.ledger.close()
    slow.ledger.close()


def test_on_postgresql_a_late_commit_is_sealed_late_and_not_left_out(postgres_url: str) -> None:
    ledger = PostgresLedger(postgres_url, project="p")
    begun, go = threading.Event(), threading.Event()

    def commit_late() -> None:
        with ledger.write(within="run:late") as tx:
            tx.events.add(an_event("1"))
            begun.set()
            go.wait(30)

    thread = threading.Thread(target=commit_late)
    thread.start()
    assert begun.wait(30)
    with ledger.write(within="run:soon") as tx:
        tx.events.add(an_event("2"))
    sealed = []
    for _ in range(2):
        with ledger.write(within="chain:p") as tx:
            sealed.append(tx.events.seal("p"))
    go.set()
    thread.join()
    with ledger.write(within="chain:p") as tx:
        sealed.append(tx.events.seal("p"))
    assert sealed == [1, 0, 1]
    assert [event.id for event in chain_of(ledger)] == ["2", "1"]
    ledger.close()


def test_on_postgresql_sealers_and_writers_of_two_connections_make_one_chain(postgres_url: str) -> None:
    ledgers = [PostgresLedger(postgres_url, project="p") for _ in range(2)]

    def write(number: int) -> None:
        for index in range(25):
            with ledgers[number].write(Durability.KILL, within=f"run:{number}") as tx:
                tx.events.add(an_event(f"{number}-{index:03}"))
            with ledgers[1 - number].write(Durability.KILL, within="chain:p") as tx:
                tx.events.seal("p", limit=7)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ledgers[0].write(within="chain:p") as tx:
        tx.events.seal("p")
    assert len({event.id for event in chain_of(ledgers[0])}) == 50
    for ledger in ledgers:
        ledger.close()


def an_event(id: str) -> Event:
    return Event(id=id, project="p", at_us=1, actor="ann", kind="run.created", subject=f"run:{id}")


def test_a_sealer_refuses_a_chain_that_goes_on_behind_its_tail(tmp_path: Path) -> None:
    stores = open_stores(tmp_path / "p")
    tell(stores, 3)
    seal(stores)
    with stores.ledger.write() as tx:
        tx._c.change("UPDATE chain_tails SET position = 2")  # type: ignore[attr-defined]
    tell(stores, 1, "more")
    with pytest.raises(Corrupt, match="ends at 2, and there is an event 3"):
        seal(stores)
    stores.ledger.close()


steps = st.lists(st.one_of(st.integers(1, 5), st.tuples(st.just("seal"), st.integers(1, 4))), max_size=12)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_whenever_it_is_sealed_and_however_much_the_chain_is_the_same(plan: list[Any]) -> None:
    """Memory and SQLite agree, and both with a chain that is sealed in one go at the end."""
    chains = []
    for ledger, often in ((MemoryLedger(), True), (SqliteLedger(Path(":memory:")), True), (MemoryLedger(), False)):
        count = 0
        for step in plan:
            with ledger.write() as tx:
                for _ in range(step if isinstance(step, int) else 0):
                    count += 1
                    tx.events.add(an_event(f"{count * 7919 % 997:03}"))
                if not isinstance(step, int) and often:
                    tx.events.seal("p", limit=step[1])
        with ledger.write() as tx:
            tx.events.seal("p")
        chains.append(chain_of(ledger))
        ledger.close()
    assert chains[0] == chains[1] == chains[2]
