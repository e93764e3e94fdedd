"""One connection to PostgreSQL: the seam of the repositories over psycopg."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from clew.core.errors import Invalid
from clew.core.extras import require
from clew.store.ledger.postgres.address import Address
from clew.store.ledger.postgres.errors import not_reached
from clew.store.ledger.sql.connection import Row

if TYPE_CHECKING:
    import numpy as np
    import psycopg
    from numpy.typing import NDArray

__all__ = ["PostgresConnection"]

_OLDEST = 130000
_NEXT = "pg_current_xact_id()::text::bigint"
_CHANGES = (
    "pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
)
"""Changes are numbered by transaction: those below the oldest one under way are all seen, or undone."""


class PostgresConnection:
    """`clew.store.ledger.sql.connection.Connection` over `psycopg`; every transaction is written out.

    Args:
        address: of the database.

    Raises:
        Unavailable: it cannot be reached.
        Invalid: the server is too old, or the database does not hold UTF-8.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self.next_change, self.changes = _NEXT, _CHANGES
        self._raw = _connected(address)

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        return self._raw.execute(_marked(sql), params, binary=True).fetchall()

    def listed(self, values: Sequence[object]) -> tuple[str, Sequence[object]]:
        # one array: psycopg reads a statement anew that has more than fifty placeholders
        kind = "text" if isinstance(values[0], str) else "bigint"
        return f"SELECT unnest(CAST(? AS {kind}[]))", [list(values)]

    def numbers(
        self, columns: Sequence[str], rows: str, params: Sequence[object] = (), *, order: str = ""
    ) -> NDArray[np.float64]:
        import numpy as np

        # one value of many bytes: each row of a result, or of a COPY, takes psycopg a microsecond
        sent = " || ".join(f"float8send(CAST({column} AS DOUBLE PRECISION))" for column in columns)
        sql = f"SELECT string_agg({sent}, ''{f' ORDER BY {order}' if order else ''}) FROM {rows}"
        ((found,),) = self._raw.execute(_marked(sql), params, binary=True)
        return np.frombuffer(found or b"", dtype=">f8").astype(np.float64).reshape(-1, len(columns))

    def texts(self, sql: str, params: Sequence[object] = ()) -> tuple[Any, NDArray[np.int64], list[str]] | None:
        import numpy as np

        joined = "MAX(key), string_agg(int8send(number), ''), string_agg(textsend(text), '\\x00'::bytea)"
        ((key, numbers, texts),) = self._raw.execute(_marked(f"SELECT {joined} FROM ({sql}) v"), params, binary=True)
        if key is None:
            return None
        return key, np.frombuffer(numbers, dtype=">i8").astype(np.int64), texts.decode().split("\0")

    def change(self, sql: str, params: Sequence[object] = ()) -> int:
        return self._raw.execute(_marked(sql), params).rowcount

    def change_many(self, sql: str, params: Iterable[Sequence[object]]) -> int:
        rows = list(params)
        if len(rows) < 2:  # what makes many fast makes one slow
            return self.change(sql, rows[0]) if rows else 0
        with self._raw.cursor() as cursor:
            cursor.executemany(_marked(sql), rows)
            return cursor.rowcount

    def run(self, sql: str) -> None:
        """Run statements that have no parameters, in one journey."""
        self._raw.execute(sql)

    def begin(self, sql: str) -> None:
        """Run what opens a transaction. A connection that was lost while it was idle is made again first."""
        try:
            self.run(sql)
        except require("psycopg").OperationalError:
            if not self._raw.closed:
                raise
            self._raw = _connected(self._address)
            self.run(sql)

    @property
    def failed(self) -> bool:
        """Whether an error has ended the transaction under way already."""
        return self._raw.info.transaction_status in (3, 4)  # INERROR, UNKNOWN

    @property
    def reusable(self) -> bool:
        """Whether it is sound and in no transaction."""
        return not self._raw.closed and self._raw.info.transaction_status == 0  # IDLE

    def undo(self) -> None:
        """Roll back; a connection that cannot is good for nothing and is closed."""
        try:
            self.run("ROLLBACK")
        except require("psycopg").Error:
            self.close()

    def close(self) -> None:
        """End the connection."""
        self._raw.close()


def _connected(address: Address) -> psycopg.Connection[Any]:
    library = require("psycopg")
    try:
        raw: psycopg.Connection[Any] = library.connect(**address.options, autocommit=True, client_encoding="UTF8")
        # one type for all whole numbers, so that a statement is prepared once
        raw.adapters.register_dumper(int, require("psycopg.types.numeric").Int8Dumper)
        # *power* is promised: a server that does not sync by itself is asked to
        raw.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    except library.Error as error:
        raise not_reached(error, address) from None
    problem = _unfit(raw)
    if problem:
        raw.close()
        raise Invalid(f"the ledger {address} {problem[0]}", hint=problem[1])
    return raw


def _unfit(raw: psycopg.Connection[Any]) -> tuple[str, str] | None:
    if raw.info.server_version < _OLDEST:
        return f"is on PostgreSQL {raw.info.server_version // 10000}", f"use {_OLDEST // 10000} or later"
    encoding = raw.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        return f"holds {encoding}", "make one that holds UTF-8: createdb --encoding UTF8 --template template0 NAME"
    return None


@lru_cache(maxsize=2048)
def _marked(sql: str) -> str:
    """A statement with the placeholders of psycopg."""
    return sql.replace("%", "%%").replace("?", "%s")
