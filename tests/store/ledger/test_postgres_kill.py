"""A writer that is killed within a transaction, and a server that is killed and comes back."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.core.contracts.ledger import Durability
from clew.core.errors import ClewError, Unavailable
from clew.store.ledger.postgres import PostgresLedger
from clew.testing.ledger.examples import a_run, an_event
from clew.testing.postgres import PostgresServer

HALF = """
import sys
from clew.store.ledger.postgres import PostgresLedger
from clew.testing.ledger.examples import a_run, an_event
ledger = PostgresLedger(sys.argv[1], project="p")
with ledger.write() as tx:
    tx.events.add(an_event("whole"))
with ledger.write() as tx:
    tx.runs.add(a_run("0a"))
    tx.events.add(an_event("half"))
    print("within", flush=True)
    sys.stdin.read()
"""


def seen(ledger: PostgresLedger) -> tuple[set[str], int]:
    with ledger.read() as tx:
        return {event.id for event in tx.events.list("p", limit=100_000).items}, tx.runs.count("p")


def test_a_writer_that_is_killed_within_a_block_is_undone_and_lets_the_others_pass(postgres_url: str) -> None:
    other = PostgresLedger(postgres_url, project="p", busy_timeout_s=60)
    victim = subprocess.Popen(
        [sys.executable, "-c", HALF, postgres_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert victim.stdout is not None
    assert victim.stdout.readline() == "within\n"
    assert seen(other) == ({"whole"}, 0)
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=60)
    with other.write() as tx:
        tx.runs.add(a_run("0a"))
        tx.events.add(an_event("behind"))
    assert seen(other) == ({"whole", "behind"}, 1)
    other.close()


@pytest.fixture
def own() -> Iterator[PostgresServer]:
    """A server that may be killed: nobody else uses it, and it syncs."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    server = PostgresServer(place / "data", durable=True)
    yield server
    server.stop()
    shutil.rmtree(place)


def test_what_a_server_acknowledged_is_there_when_it_comes_back(own: PostgresServer) -> None:
    """Writers go on by themselves, nothing acknowledged is lost, and nothing is there in halves."""
    url = own.make()
    acknowledged: list[str] = []
    failures: list[ClewError] = []
    done, enough = threading.Event(), threading.Event()

    def write(name: str) -> None:
        ledger = PostgresLedger(url, project="p", busy_timeout_s=30)
        number = 0
        while not done.is_set():
            number += 1
            one = f"{name}{number:06}"
            try:
                with ledger.write(Durability.POWER, within=f"run:{name}") as tx:
                    tx.events.add(an_event(one))
                    tx.runs.add(a_run(one))
            except Unavailable as error:
                failures.append(error)
                done.wait(0.05)
            else:
                acknowledged.append(one)
                if len(acknowledged) > 40:
                    enough.set()
        ledger.close()

    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for writer in writers:
        writer.start()
    assert enough.wait(60)
    own.crash()
    before = len(acknowledged)
    reader = PostgresLedger(url, project="p")
    while len(acknowledged) < before + 10:
        done.wait(0.01)
    done.set()
    for writer in writers:
        writer.join()
    events, runs = seen(reader)
    reader.close()
    assert set(acknowledged) <= events
    assert runs == len(events)
    assert failures
