"""What SQLite says, as errors of clew; and connections, one for each thread that lives."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from clew.core.errors import Corrupt, Unavailable
from clew.store.ledger import sqlite
from clew.store.ledger.sqlite import SqliteLedger, _translated


def an_error(code: int | None) -> sqlite3.Error:
    error = sqlite3.OperationalError("as the library says it")
    if code is not None:
        error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (sqlite3.SQLITE_BUSY, Unavailable, "locked"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Unavailable, "locked"),
        (sqlite3.SQLITE_LOCKED, Unavailable, "locked"),
        (sqlite3.SQLITE_CORRUPT, Corrupt, "damaged"),
        (sqlite3.SQLITE_NOTADB, Corrupt, "damaged"),
        (sqlite3.SQLITE_FULL, Unavailable, "no room"),
        (sqlite3.SQLITE_IOERR_WRITE, Unavailable, "refuses"),
        (sqlite3.SQLITE_READONLY, Unavailable, "cannot be used"),
        (sqlite3.SQLITE_CANTOPEN, Unavailable, "cannot be used"),
        (sqlite3.SQLITE_PERM, Unavailable, "cannot be used"),
    ],
)
def test_an_error_says_what_happened(code: int, kind: type[Exception], says: str) -> None:
    told = _translated(an_error(code), Path("l"))
    assert type(told) is kind
    assert says in str(told)


@pytest.mark.parametrize("code", [None, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT])
def test_a_defect_stays_as_it_is(code: int | None) -> None:
    error = an_error(code)
    assert _translated(error, Path("l")) is error


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be used"):
        SqliteLedger(tmp_path / "missing" / "l")


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "pending", lambda _: {1: ["CREATE TABLE a (b)", "no SQL"]})
    with pytest.raises(sqlite3.OperationalError, match="syntax error"):
        SqliteLedger(tmp_path / "l")
    raw = sqlite3.connect(tmp_path / "l")
    assert raw.execute("SELECT name FROM sqlite_master").fetchall() == []
    assert raw.execute("PRAGMA user_version").fetchone() == (0,)
    raw.close()


def test_connections_of_threads_that_ended_are_closed(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "l")

    def look() -> None:
        with ledger.read() as tx:
            tx.runs.find("p", "")

    for _ in range(3):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert len(ledger._open) <= 2
    look()
    ledger.close()
    assert ledger._open == {}


def test_a_transaction_that_its_user_has_ended_is_not_ended_again(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "l")

    def end() -> None:
        ledger._connection().raw.execute("ROLLBACK")
        raise KeyError

    with pytest.raises(KeyError), ledger.write():
        end()
    with ledger.write() as tx:
        assert tx.runs.find("p", "") == []
    ledger.close()
