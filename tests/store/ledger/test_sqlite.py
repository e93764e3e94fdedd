"""What only the SQLite ledger promises."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from clew.core.contracts.ledger import Durability
from clew.core.errors import Corrupt, Invalid, Unavailable
from clew.core.types.event import Event
from clew.store.ledger.sql.migrate import migrations
from clew.store.ledger.sqlite import SqliteLedger

WRITER = """
import sys
from pathlib import Path
from clew.core.contracts.ledger import Durability
from clew.core.types.event import Event
from clew.store.ledger.sqlite import SqliteLedger
ledger = SqliteLedger(Path(sys.argv[1]))
for i in range(100_000):
    with ledger.write(Durability.KILL) as tx:
        tx.events.add(Event(id=f"{sys.argv[2]}{i:06}", project="p", at_us=i, actor="a", kind="k.v", subject="s"))
    print(i, flush=True)
"""


def test_a_second_open_changes_nothing(tmp_path: Path) -> None:
    SqliteLedger(tmp_path / "l").close()
    before = sqlite3.connect(tmp_path / "l").execute("SELECT sql FROM sqlite_master").fetchall()
    SqliteLedger(tmp_path / "l").close()
    assert sqlite3.connect(tmp_path / "l").execute("SELECT sql FROM sqlite_master").fetchall() == before


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    SqliteLedger(tmp_path / "l").close()
    raw = sqlite3.connect(tmp_path / "l")
    raw.execute(f"PRAGMA user_version = {max(migrations()) + 1}")
    raw.close()
    with pytest.raises(Invalid, match="upgrade clew"):
        SqliteLedger(tmp_path / "l")


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(Corrupt):
        SqliteLedger(tmp_path / "l")
    with pytest.raises(Unavailable):
        SqliteLedger(tmp_path / "missing" / "l")


def test_a_writer_that_waits_too_long_says_so(tmp_path: Path) -> None:
    first = SqliteLedger(tmp_path / "l")
    second = SqliteLedger(tmp_path / "l", busy_timeout_s=0.01)
    with first.write() as tx:
        tx.events.add(Event(id="1", project="p", at_us=1, actor="a", kind="k.v", subject="s"))
        with pytest.raises(Unavailable, match="locked"), second.write():
            pass
    first.close()
    second.close()


def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "l"
    SqliteLedger(path).close()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stdout=subprocess.PIPE) for name in "ab"
    ]
    acknowledged = {}
    for writer, name in zip(writers, "ab", strict=True):
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(40)]
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().splitlines()
        acknowledged[name] = len(lines) + len([line for line in rest if line])
        writer.stdout.close()
        writer.wait()
    ledger = SqliteLedger(path)
    with ledger.read() as tx:
        ids = {event.id for event in tx.events.list("p", limit=1_000_000).items}
    for name, count in acknowledged.items():
        assert {f"{name}{i:06}" for i in range(count)} <= ids
    ledger.close()


def test_a_fork_opens_its_own_connection(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "l")
    with ledger.write(Durability.KILL) as tx:
        tx.events.add(Event(id="parent", project="p", at_us=1, actor="a", kind="k.v", subject="s"))
    child = os.fork()
    if child == 0:
        with ledger.write(Durability.KILL) as tx:
            tx.events.add(Event(id="child", project="p", at_us=1, actor="a", kind="k.v", subject="s"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with ledger.read() as tx:
        assert tx.events.count("p") == 2
    ledger.close()


def test_a_new_ledger_that_several_open_at_once_waits(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "l", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        SqliteLedger(tmp_path / "l", busy_timeout_s=0.0)
    done = threading.Timer(0.05, other.execute, ["COMMIT"])
    done.start()
    SqliteLedger(tmp_path / "l").close()
    done.join()
    other.close()
