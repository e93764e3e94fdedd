"""What only the PostgreSQL ledger promises."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from clew.core.contracts.ledger import Durability, Transaction
from clew.core.errors import Exists, Invalid, Unavailable
from clew.store.ledger.postgres import Address, PostgresLedger
from clew.testing.ledger.examples import a_run, an_event
from clew.testing.postgres import PostgresServer

WRITER = """
import sys
from clew.core.contracts.ledger import Durability
from clew.store.ledger.postgres import PostgresLedger
from clew.testing.ledger.examples import an_event
ledger = PostgresLedger(sys.argv[1], project="p")
for i in range(100_000):
    with ledger.write(Durability(sys.argv[3]), within=f"run:{sys.argv[2]}") as tx:
        tx.events.add(an_event(f"{sys.argv[2]}{i:06}"))
    print(i, flush=True)
"""


@pytest.fixture
def ledger(postgres_url: str) -> Iterator[PostgresLedger]:
    ledger = PostgresLedger(postgres_url, project="p")
    yield ledger
    ledger.close()


def connections(url: str) -> list[int]:
    """The processes of the server that talk to clew."""
    with psycopg.connect(url) as raw:
        found = raw.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'clew'"
        )
        return [pid for (pid,) in found.fetchall()]


def terminate(url: str) -> None:
    with psycopg.connect(url) as raw:
        for pid in connections(url):
            raw.execute("SELECT pg_terminate_backend(%s, 60000)", (pid,))


def settled(url: str, count: int) -> list[int]:
    """`connections`, once there are so many: the server ends them behind the back of who closed them."""
    until_s = time.monotonic() + 60
    while len(found := connections(url)) != count and time.monotonic() < until_s:
        time.sleep(0.01)
    return found


def ids(ledger: PostgresLedger) -> set[str]:
    with ledger.read() as tx:
        return {event.id for event in tx.events.list("p", limit=1_000_000).items}


def test_a_transaction_that_loses_its_server_is_unavailable_and_the_next_one_works(
    ledger: PostgresLedger, postgres_url: str
) -> None:
    with pytest.raises(Unavailable, match=r"went away: terminating connection"), ledger.write() as tx:  # noqa: PT012
        tx.events.add(an_event("lost"))
        terminate(postgres_url)
        tx.events.add(an_event("never"))
    with ledger.write() as tx:
        tx.events.add(an_event("kept"))
    terminate(postgres_url)  # while it is idle: nobody notices
    assert ids(ledger) == {"kept"}


def test_a_server_that_is_not_there_is_unavailable_without_its_password() -> None:
    with pytest.raises(Unavailable, match=r"cannot be reached: .*refused") as caught:
        PostgresLedger("postgresql://ann:s3cret@127.0.0.1:1/clew?sslmode=disable")
    assert "s3cret" not in str(caught.value)


def test_an_unknown_database_or_user_says_what_to_do(postgres: PostgresServer) -> None:
    with pytest.raises(Unavailable, match=r"is not there: .*\n.*createdb"):
        PostgresLedger(postgres.url("nowhere"))
    with pytest.raises(Unavailable, match=r"lets nobody in: .*\n.*pgpass"):
        PostgresLedger(postgres.url("postgres").replace("postgres:@", "nobody:@"))


def test_an_address_is_shown_without_its_password() -> None:
    assert str(Address("postgresql://ann:s3cret@h:5433/d?sslmode=require")) == "postgresql://ann@h:5433/d"
    assert str(Address("postgresql:///d?host=/run/pg&user=ann&password=s3cret")) == "postgresql://ann@/d?host=/run/pg"
    assert Address("postgresql://h/d?connect_timeout=1").options["connect_timeout"] == "1"


def test_a_database_that_holds_no_utf8_is_refused(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as raw:
        raw.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(Invalid, match=r"holds LATIN1\n.*--encoding UTF8"):
        PostgresLedger(postgres.url("latin"))
    postgres.drop(postgres.url("latin"))


def test_a_user_without_rights_is_told(postgres: PostgresServer) -> None:
    url = postgres.make(bare=True)
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("DROP ROLE IF EXISTS plain")
        raw.execute("CREATE ROLE plain LOGIN")
        with pytest.raises(Invalid, match=r"does not allow this: .*\n.*CREATE SCHEMA"):
            PostgresLedger(url.replace("postgres:@", "plain:@"))
        raw.execute("CREATE SCHEMA clew AUTHORIZATION plain")
        PostgresLedger(url.replace("postgres:@", "plain:@")).close()
    postgres.drop(url)


def test_what_it_cannot_hold_is_invalid(ledger: PostgresLedger) -> None:
    for name in ("a\0b", os.urandom(6000).hex()):
        with pytest.raises(Invalid, match="cannot hold this"), ledger.write() as tx:
            tx.runs.add(a_run("0a", name=name))
    with ledger.read() as tx:
        assert tx.runs.count("p") == 0


def test_a_block_that_goes_on_behind_an_error_is_undone(ledger: PostgresLedger) -> None:
    with ledger.write() as tx:
        tx.events.add(an_event("1"))
    with pytest.raises(RuntimeError, match="is undone"), ledger.write() as tx:  # noqa: PT012
        tx.runs.add(a_run("0a"))
        with pytest.raises(psycopg.errors.UniqueViolation):
            tx.events.add(an_event("1"))
    with ledger.read() as tx:
        assert tx.runs.count("p") == 0


def test_writers_of_a_project_queue_and_others_do_not_wait(postgres_url: str) -> None:
    first = PostgresLedger(postgres_url, project="p")
    same = PostgresLedger(postgres_url, project="p", busy_timeout_s=0.05)
    other = PostgresLedger(postgres_url, project="q", busy_timeout_s=0.05)
    every = PostgresLedger(postgres_url, busy_timeout_s=0.05)
    with first.write():
        for waits in (same, every):
            with pytest.raises(Unavailable, match="locked by another writer"), waits.write():
                pass
            with pytest.raises(Unavailable, match="locked by another writer"), waits.write(within="run:1"):
                pass
        with other.write() as tx:
            tx.events.add(an_event("1"))
        with same.read() as tx:
            assert tx.events.count("p") == 1
    for ledger in (first, same, other, every):
        ledger.close()


def test_blocks_within_one_aggregate_queue_with_those_of_the_same(postgres_url: str) -> None:
    first = PostgresLedger(postgres_url, project="p")
    second = PostgresLedger(postgres_url, project="p", busy_timeout_s=0.05)
    with first.write(within="run:1"):
        with second.write(within="run:2") as tx:
            tx.events.add(an_event("2"))
        for within in ("run:1", ""):
            with pytest.raises(Unavailable, match="locked by another writer"), second.write(within=within):
                pass
    first.close()
    second.close()


def test_what_a_block_has_read_holds_until_it_is_committed(postgres_url: str) -> None:
    """Reading, then writing: no update is lost, whatever is between."""

    def grow(which: int) -> None:
        ledger = PostgresLedger(postgres_url, project="p")
        for _ in range(10):
            with ledger.write(Durability.KILL, within="run:0a" if which % 2 else "") as tx:
                run = tx.runs.get("0a")
                tx.runs.put(a_run("0a", ended_us=(run.ended_us or 0) + 1))
        ledger.close()

    ledger = PostgresLedger(postgres_url, project="p")
    with ledger.write() as tx:
        tx.runs.add(a_run("0a", ended_us=0))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(grow, range(4)))
    with ledger.read() as tx:
        assert tx.runs.get("0a").ended_us == 40
    ledger.close()


def test_a_writer_that_pauses_is_undone_and_frees_the_others(postgres_url: str) -> None:
    slow = PostgresLedger(postgres_url, project="p", pause_timeout_s=120)
    quick = PostgresLedger(postgres_url, project="p", busy_timeout_s=60)
    with pytest.raises(Unavailable, match="paused for too long"), slow.write() as tx:  # noqa: PT012
        tx.events.add(an_event("slow"))
        raw = tx.events._c  # type: ignore[attr-defined]
        assert raw.rows("SHOW idle_in_transaction_session_timeout") == [("2min",)]
        raw.rows("SELECT set_config('idle_in_transaction_session_timeout', '50', true)")  # only from here on
        with quick.write() as other:  # waits until the server has undone the slow one
            other.events.add(an_event("quick"))
        tx.events.add(an_event("late"))
    assert ids(quick) == {"quick"}
    slow.close()
    quick.close()


def test_blocks_do_not_nest(ledger: PostgresLedger) -> None:
    with pytest.raises(RuntimeError, match="do not nest"), ledger.write(), ledger.read():
        pass
    with ledger.read() as tx:
        assert tx.events.count("p") == 0


def test_connections_are_few_and_lent_again(postgres_url: str) -> None:
    ledger = PostgresLedger(postgres_url, most_connections=2, busy_timeout_s=0.05)
    inside, done = threading.Barrier(3), threading.Event()

    def hold() -> None:
        with ledger.read():
            inside.wait()
            done.wait()

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.wait()
    with pytest.raises(Unavailable, match="all 2 connections"), ledger.read():
        pass
    done.set()
    for thread in threads:
        thread.join()
    for _ in range(3):
        thread = threading.Thread(target=ids, args=(ledger,))
        thread.start()
        thread.join()
    assert len(settled(postgres_url, 2)) == 2
    ledger.close()
    assert settled(postgres_url, 0) == []
    assert ids(ledger) == set()


def test_a_ledger_that_nobody_closed_lets_go_of_its_connections(postgres_url: str) -> None:
    ledger = PostgresLedger(postgres_url)
    assert len(settled(postgres_url, 1)) == 1
    del ledger
    gc.collect()
    assert settled(postgres_url, 0) == []


def test_a_fork_makes_its_own_connection(ledger: PostgresLedger, postgres_url: str) -> None:
    with ledger.write(Durability.KILL) as tx:
        tx.events.add(an_event("parent"))
    before = settled(postgres_url, 1)
    child = os.fork()
    if child == 0:
        with ledger.write(Durability.KILL) as tx:
            tx.events.add(an_event("child"))
        ledger.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert ids(ledger) == {"parent", "child"}
    assert settled(postgres_url, len(before)) == before


@pytest.mark.parametrize("durability", list(Durability))
def test_what_was_committed_survives_a_kill(postgres_url: str, durability: Durability) -> None:
    ledger = PostgresLedger(postgres_url)
    writers = {
        name: subprocess.Popen([sys.executable, "-c", WRITER, postgres_url, name, durability], stdout=subprocess.PIPE)
        for name in "ab"
    }
    acknowledged = {}
    for name, writer in writers.items():
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(40)]
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().splitlines()
        acknowledged[name] = len(lines) + len([line for line in rest if line])
        writer.stdout.close()
        writer.wait()
    found = ids(ledger)
    for name, count in acknowledged.items():
        assert {f"{name}{i:06}" for i in range(count)} <= found
    ledger.close()


def test_power_is_durable_behind_the_block_and_kill_need_not_be(tmp_path: Path, postgres_url: str) -> None:
    """The server's log of changes is on the disk up to the commit when a POWER block ends."""
    ledger = PostgresLedger(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        raw.execute("SELECT pg_switch_wal()")
        with ledger.write(Durability.POWER) as tx:
            written = _end_of_log(tx)
            tx.events.add(an_event("1"))
        flushed = raw.execute("SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn", (written,)).fetchone()
        assert flushed == (True,)
        behind = raw.execute("SELECT pg_current_wal_insert_lsn() <> %s::pg_lsn", (written,)).fetchone()
        assert behind == (True,)
    ledger.close()


def _end_of_log(tx: Transaction) -> str:
    return str(tx.events._c.rows("SELECT pg_current_wal_insert_lsn()::text")[0][0])  # type: ignore[attr-defined]


def test_a_server_that_does_not_sync_by_itself_is_asked_to(postgres_url: str) -> None:
    ledger = PostgresLedger(f"{postgres_url}&options=-csynchronous_commit%3Doff")
    with ledger.read() as tx:
        assert tx.events._c.rows("SHOW synchronous_commit") == [("on",)]
    ledger.close()


def test_a_server_that_can_only_be_read_says_so(postgres_url: str) -> None:
    ledger = PostgresLedger(f"{postgres_url}&options=-cdefault_transaction_read_only%3Don")
    with pytest.raises(Unavailable, match="can only be read"), ledger.write() as tx:
        tx.events.add(an_event("1"))
    ledger.close()


def test_a_repository_finds_its_rows_in_a_database_with_tables_of_others(
    ledger: PostgresLedger, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        raw.execute("CREATE TABLE public.events (id TEXT)")
        with ledger.write() as tx:
            tx.events.add(an_event("1"))
        raw.execute("DROP TABLE public.events")
    assert ids(ledger) == {"1"}


def test_a_name_that_is_taken_while_another_waits_is_refused(postgres_url: str) -> None:
    """A race that SQLite's one writer decides: of those who add the same run, one wins."""

    def add(which: int) -> bool:
        ledger = PostgresLedger(postgres_url, project="p")
        try:
            with ledger.write(Durability.KILL, within=f"run:{which}") as tx:
                tx.runs.add(a_run("0a"))
        except Exists:
            return False
        finally:
            ledger.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(add, range(4))) == 1


@pytest.mark.parametrize("counted", [False, True], ids=["unknown", "counted"])
def test_the_series_of_a_page_of_runs_are_read_by_an_index(
    ledger: PostgresLedger, postgres_url: str, *, counted: bool
) -> None:
    with psycopg.connect(postgres_url) as raw:
        raw.execute(
            "INSERT INTO clew.series (run, key, blocks, count, nans, last_step, last_time_us) "
            "SELECT 'run' || run, 'key' || key, 1, 1, 0, 0, 0 "
            "FROM generate_series(1, 200) run, generate_series(1, 50) key"
        )
    if counted:
        with psycopg.connect(postgres_url, autocommit=True) as raw:
            raw.execute("ANALYZE clew.series")
    runs = [f"run{at}" for at in range(100)]
    with ledger.read() as tx:
        connection = tx.series._c
        sql = f"EXPLAIN SELECT key FROM series WHERE run IN ({', '.join('?' * len(runs))})"
        plan = "\n".join(str(line) for (line,) in connection.rows(sql, runs))
    assert "series_pkey" in plan
    assert "Seq Scan" not in plan
