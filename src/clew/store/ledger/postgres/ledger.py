"""The ledger in a PostgreSQL database, in a schema of its own: what several machines share.

Readers get one snapshot and wait for nobody. Writers of one project queue, as they do in SQLite, so that every service
is right on both; a block that says which aggregate it stays `within` queues with those of the same aggregate only. A
queue is a transaction-level advisory lock. The commit within it does not sync: what was committed is synced behind it,
for all who wait at once. Reasons and figures: docs/decisions/0020-postgresql-queues.md.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from clew.core.contracts.ledger import Durability
from clew.core.errors import ClewError
from clew.core.extras import require
from clew.core.hashing import hash_bytes
from clew.core.types.edge import Node
from clew.store.ledger.postgres.address import Address
from clew.store.ledger.postgres.connection import PostgresConnection
from clew.store.ledger.postgres.errors import translated
from clew.store.ledger.postgres.pool import Pool
from clew.store.ledger.sql.connection import Reading
from clew.store.ledger.sql.migrate import pending
from clew.store.ledger.sql.transaction import SqlTransaction

__all__ = ["SCHEMA", "VERSION_TABLE", "PostgresLedger"]

SCHEMA, VERSION_TABLE = "clew", "ledger_version"
_SPELLED = {"TEXT": 'TEXT COLLATE "C"', "BLOB": "BYTEA"}
_READ = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path TO {SCHEMA}"
_SYNC = "SELECT pg_logical_emit_message(true, 'clew', '')"


class PostgresLedger:
    """`clew.core.contracts.ledger.Ledger` in a PostgreSQL database; its schema is made when it is missing.

    Args:
        url: `postgresql://USER@HOST/DATABASE`; what it leaves out comes from the `PG*` variables and `~/.pgpass`.
        project: whose writers queue with each other; those of all projects when it is empty.
        busy_timeout_s: how long a writer waits for others, and a block for a connection.
        pause_timeout_s: how long a writer may do nothing within its block before it is undone: others wait for it.
        most_connections: of this process.

    Raises:
        Invalid: the address cannot be read, the database cannot be used, or it was made by a newer clew.
        Unavailable: it cannot be reached.
        MissingExtra: psycopg is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        project: str = "",
        busy_timeout_s: float = 30.0,
        pause_timeout_s: float = 60.0,
        most_connections: int = 10,
    ) -> None:
        self.address = Address(url)
        self._queues = [_key(SCHEMA), *([_key(f"{SCHEMA}/project/{project}")] if project else [])]
        self._timeouts = (round(busy_timeout_s * 1000), round(pause_timeout_s * 1000))
        self._pool = Pool(self.address, most=most_connections, wait_s=busy_timeout_s)
        self._here = threading.local()
        self._migrate()

    @contextmanager
    def read(self) -> Iterator[SqlTransaction]:
        with self._block(_READ, "COMMIT") as connection:
            yield SqlTransaction(Reading(connection))

    @contextmanager
    def write(self, durability: Durability = Durability.POWER, *, within: Node = "") -> Iterator[SqlTransaction]:
        queues = [*self._queues, *([_key(f"{SCHEMA}/within/{within}")] if within else [])]
        commit = f"COMMIT; {_SYNC}" if durability is Durability.POWER else "COMMIT"
        with self._block(self._begin(queues), commit) as connection:
            yield SqlTransaction(connection)

    def close(self) -> None:
        self._pool.close()

    @contextmanager
    def _block(self, begin: str, commit: str) -> Iterator[PostgresConnection]:
        """A transaction on a connection that no other thread uses."""
        if getattr(self._here, "busy", False):
            raise RuntimeError("a block of this ledger is open in this thread already: they do not nest")
        self._here.busy = True
        try:
            with self._errors(), self._pool.lend() as connection:
                try:
                    connection.begin(begin)
                    yield connection
                    if connection.failed:
                        raise RuntimeError("a statement of this block failed, and the block went on: it is undone")
                    connection.run(commit)
                except BaseException:
                    connection.undo()
                    raise
        finally:
            self._here.busy = False

    def _begin(self, queues: list[int]) -> str:
        """What opens a writing transaction, in one journey. READ COMMITTED: a snapshot would be older than the lock."""
        busy_ms, pause_ms = self._timeouts
        locks = [f"pg_advisory_xact_lock_shared({key})" for key in queues[:-1]]
        return (
            f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path TO {SCHEMA}; "
            f"SET LOCAL synchronous_commit = off; SET LOCAL lock_timeout = {busy_ms}; "
            f"SET LOCAL idle_in_transaction_session_timeout = {pause_ms}; "
            f"SELECT {', '.join([*locks, f'pg_advisory_xact_lock({queues[-1]})'])}"
        )

    def _migrate(self) -> None:
        with self._block(_READ, "COMMIT") as connection:
            if not pending(_version(connection)):
                return
        with self._block(self._begin(self._queues[:1]), f"COMMIT; {_SYNC}") as connection:
            version = _version(connection)
            if not version:
                _make(connection)
            for number, statements in pending(version, spelled=_SPELLED).items():
                for statement in statements:
                    connection.run(statement)
                connection.change(f"UPDATE {VERSION_TABLE} SET version = ?", (number,))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Database errors as errors of clew; what a repository raises passes."""
        psycopg = require("psycopg")
        try:
            yield
        except psycopg.Error as error:
            found = translated(error, self.address)
            raise found from (None if isinstance(found, ClewError) else error)


def _version(connection: PostgresConnection) -> int:
    if connection.rows(f"SELECT to_regclass('{SCHEMA}.{VERSION_TABLE}') IS NULL")[0][0]:
        return 0
    return int(connection.rows(f"SELECT version FROM {VERSION_TABLE}")[0][0])


def _make(connection: PostgresConnection) -> None:
    if connection.rows(f"SELECT to_regnamespace('{SCHEMA}') IS NULL")[0][0]:  # IF NOT EXISTS asks for rights first
        connection.run(f"CREATE SCHEMA {SCHEMA}")
    connection.run(f"CREATE TABLE {VERSION_TABLE} (version BIGINT NOT NULL)")
    connection.run(f"INSERT INTO {VERSION_TABLE} VALUES (0)")


def _key(name: str) -> int:
    """The number of an advisory lock."""
    return int.from_bytes(bytes.fromhex(hash_bytes(name.encode()))[:8], "big", signed=True)
