"""The ledger in one SQLite file: what an embedded project uses.

Write-ahead logging, one connection per thread, `BEGIN IMMEDIATE` for writers, so that readers never wait and writers
queue in the busy timeout. `Durability.POWER` commits with an fsync, `Durability.KILL` without.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.core.contracts.ledger import Durability
from clew.core.errors import ClewError, Corrupt, Unavailable
from clew.core.types.edge import Node
from clew.store.ledger.mounts import refuse_network
from clew.store.ledger.sql.connection import Reading, Row
from clew.store.ledger.sql.migrate import fill, pending
from clew.store.ledger.sql.search_cache import SearchCache
from clew.store.ledger.sql.transaction import SqlTransaction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SqliteConnection", "SqliteLedger"]

_AGAIN_S = 0.005
_LONGEST_PATH = 500
"""Bytes, with room for the names that SQLite adds."""


class SqliteConnection:
    """`clew.store.ledger.sql.connection.Connection` over `sqlite3`; writers of the file queue, and so count changes."""

    next_change = "(SELECT COALESCE(MAX(change), 0) + 1 FROM search_runs)"
    changes = "COALESCE(MAX(change), 0) + 1, 9223372036854775807 FROM search_runs"

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw
        self.durability: Durability | None = None

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        return self.raw.execute(sql, params).fetchall()

    def listed(self, values: Sequence[object]) -> tuple[str, Sequence[object]]:
        return ", ".join("?" * len(values)), values

    def numbers(
        self, columns: Sequence[str], rows: str, params: Sequence[object] = (), *, order: str = ""
    ) -> NDArray[np.float64]:
        import numpy as np

        sql = f"SELECT {', '.join(columns)} FROM {rows}" + (f" ORDER BY {order}" if order else "")
        flat = np.fromiter(chain.from_iterable(self.raw.execute(sql, params)), dtype=np.float64)
        return flat.reshape(-1, len(columns))

    def texts(self, sql: str, params: Sequence[object] = ()) -> tuple[Any, NDArray[np.int64], list[str]] | None:
        import numpy as np

        # one long text is read in a third of the time of its rows; none holds NUL
        joined = "MAX(key), group_concat(number), group_concat(text, char(0))"
        key, joined_numbers, joined_texts = self.raw.execute(f"SELECT {joined} FROM ({sql})", params).fetchone()
        if key is None:
            return None
        numbers, texts = np.fromstring(joined_numbers, dtype=np.int64, sep=","), joined_texts.split("\0")
        if len(texts) != len(numbers):  # an older SQLite ends a joined text at its first NUL
            rows = self.raw.execute(sql, params).fetchall()
            numbers, texts = np.array([row[1] for row in rows], dtype=np.int64), [row[2] for row in rows]
        return key, numbers, texts

    def change(self, sql: str, params: Sequence[object] = ()) -> int:
        return self.raw.execute(sql, params).rowcount

    def change_many(self, sql: str, params: Iterable[Sequence[object]]) -> int:
        return self.raw.executemany(sql, params).rowcount

    def forbid(self, reason: str) -> None:
        """Make triggers that refuse every change, also of processes that have the file open."""
        words = reason.replace("'", "''")
        ours = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite@_%' ESCAPE '@'"
        for (table,) in self.rows(ours):  # `ANALYZE` makes tables of SQLite's own, which take no triggers
            for verb in ("INSERT", "UPDATE", "DELETE"):
                self.raw.execute(
                    f"CREATE TRIGGER moved_{verb}_{table} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
                )

    def begin(self, durability: Durability | None) -> None:
        """Start a transaction: a reading one without a durability."""
        if durability is None:
            self.raw.execute("BEGIN")
            return
        if durability is not self.durability:
            self.raw.execute(f"PRAGMA synchronous = {'FULL' if durability is Durability.POWER else 'NORMAL'}")
            self.durability = durability
        self.raw.execute("BEGIN IMMEDIATE")


class SqliteLedger:
    """`clew.core.contracts.ledger.Ledger` in a file.

    Args:
        path: the file; it and its tables are made when they are missing.
        busy_timeout_s: how long a writer waits for another.

    Raises:
        Invalid: the file was made by a newer clew, or lies on a network file system.
        Corrupt: the file is no SQLite database or is damaged.
        Unavailable: the file cannot be opened or written.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = 30.0) -> None:
        self._path, self._busy_timeout_s = path, busy_timeout_s
        self._lock = threading.Lock()
        self._doubtful = False
        self._open: dict[tuple[int, int], SqliteConnection] = {}
        self._searches = SearchCache()
        refuse_network(path)
        with self._errors():
            self._migrate(self._connection())

    @contextmanager
    def read(self) -> Iterator[SqlTransaction]:
        with self._block(None) as transaction:
            yield transaction

    @contextmanager
    def write(
        self,
        durability: Durability = Durability.POWER,
        *,
        within: Node | tuple[Node, ...] = "",  # noqa: ARG002 - all writers of the file queue
    ) -> Iterator[SqlTransaction]:
        with self._block(durability) as transaction:
            yield transaction

    def close(self) -> None:
        with self._lock:
            connections, self._open = self._open, {}
        for (pid, _), connection in connections.items():
            if pid == os.getpid():
                connection.raw.close()

    @contextmanager
    def _block(self, durability: Durability | None) -> Iterator[SqlTransaction]:
        with self._errors():
            connection = self._connection()
            if self._doubtful and durability is not None:
                self._rewrite(connection)
            connection.begin(durability)
            try:
                if durability is None:
                    yield SqlTransaction(Reading(connection), self._searches)
                else:  # what it has not committed is kept from the searches of others
                    yield SqlTransaction(connection, SearchCache())
                connection.raw.execute("COMMIT")
            except BaseException as error:
                if isinstance(error, sqlite3.Error) and _code(error) == sqlite3.SQLITE_IOERR:
                    self._doubtful = True
                if connection.raw.in_transaction:
                    connection.raw.execute("ROLLBACK")
                raise

    def _rewrite(self, connection: SqliteConnection) -> None:
        """Believe no sync behind one that failed: the kernel takes what it could not write of the log for written.

        All that is committed is copied from the page cache into the database, which is synced, and the log begins anew.
        """
        busy, _, _ = connection.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise Unavailable(
                f"the disk of the ledger {self._path} has failed, and a reader keeps its log from being written anew",
                hint="repeat the command",
            )
        self._doubtful = False

    def _connection(self) -> SqliteConnection:
        """This thread's connection; one that was made before a fork is left alone."""
        owner = (os.getpid(), threading.get_ident())
        found = self._open.get(owner)
        if found is None:
            found = self._connect()
            with self._lock:
                alive = {(owner[0], thread.ident) for thread in threading.enumerate()}
                gone = [key for key in self._open if key[0] == owner[0] and key not in alive]
                for key in gone:
                    self._open.pop(key).raw.close()
                self._open[owner] = found
        return found

    def _connect(self) -> SqliteConnection:
        raw = sqlite3.connect(self._path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False)
        self._log_ahead(raw)
        raw.execute("PRAGMA cache_size = -16384")
        return SqliteConnection(raw)

    def _log_ahead(self, raw: sqlite3.Connection) -> None:
        """Turn write-ahead logging on. Where several processes open a new file, SQLite fails without any waiting."""
        until_s = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                raw.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= until_s:
                    raise
                time.sleep(_AGAIN_S)
            else:
                return

    def _migrate(self, connection: SqliteConnection) -> None:
        raw = connection.raw
        if not pending(raw.execute("PRAGMA user_version").fetchone()[0]):
            return
        connection.begin(Durability.POWER)
        try:
            for number, statements in pending(raw.execute("PRAGMA user_version").fetchone()[0]).items():
                for statement in statements:
                    raw.execute(statement)
                fill(number, connection)
                raw.execute(f"PRAGMA user_version = {number}")
            raw.execute("COMMIT")
        except BaseException:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Database errors as errors of clew; what a repository raises passes."""
        try:
            yield
        except sqlite3.Error as error:
            raise _translated(error, self._path) from error


def _code(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _translated(error: sqlite3.Error, path: Path) -> ClewError | sqlite3.Error:
    code = _code(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable(f"the ledger {path} is locked by another writer", hint="repeat the command")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Corrupt(f"the ledger {path} is damaged: {error}", hint="restore it from a backup")
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
        return Unavailable(f"the ledger {path} takes nothing any more: {error}", hint="start this process again")
    if code == sqlite3.SQLITE_FULL:
        return Unavailable(f"no room for the ledger {path}", hint="free some disk space and repeat the command")
    if code == sqlite3.SQLITE_IOERR:
        return Unavailable(
            f"the disk of the ledger {path} refuses: {error}", hint="look whether it is full, or failing"
        )
    if code == sqlite3.SQLITE_CANTOPEN and len(os.fsencode(path)) > _LONGEST_PATH:
        what = f"the ledger {path} cannot be opened: its path has {len(os.fsencode(path))} bytes"
        return Unavailable(what, hint=f"SQLite takes {_LONGEST_PATH}: choose a folder with a shorter path")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return Unavailable(f"the ledger {path} cannot be used: {error}", hint="look at the folder's permissions")
    return error
