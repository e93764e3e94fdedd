"""The seam between the repositories and a database: a few calls, in the SQL that SQLite and PostgreSQL share.

Text is compared and ordered by code point everywhere, so that names and ids have one order. Writers that touch the same
things queue (`Ledger.write`), so that a repository reads and then writes without locks of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

import msgspec

from clew.core.errors import NotFound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Closing", "Connection", "Document", "Reading", "Row", "rows_among", "rows_in_order"]

_MOST_VALUES, _MOST_ROWS = 500, 1000

Row = Sequence[Any]
T = TypeVar("T")


class Connection(Protocol):
    """One connection within one transaction. Placeholders are `?`; rows are tuples.

    `next_change` is an expression for a number that grows from one change of runs to the next. `changes` gives two: a
    later reader that looks at changes from the first one on, up to below the second, misses none that is not seen now.
    """

    @property
    def next_change(self) -> str: ...
    @property
    def changes(self) -> str: ...
    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        """All rows of a query."""
        ...

    def listed(self, values: Sequence[object]) -> tuple[str, Sequence[object]]:
        """What stands between the brackets of `IN (…)` for some values, and what its placeholders stand for."""
        ...

    def numbers(
        self, columns: Sequence[str], rows: str, params: Sequence[object] = (), *, order: str = ""
    ) -> NDArray[np.float64]:
        """Numbers of a million rows as an array.

        Args:
            columns: expressions of numbers, none of them NULL.
            rows: what stands behind FROM.
            params: what its placeholders stand for.
            order: by what expression.
        """
        ...

    def texts(self, sql: str, params: Sequence[object] = ()) -> tuple[Any, NDArray[np.int64], list[str]] | None:
        """Some thousand rows of a query of a `key`, a whole `number` and a `text`, none of them NULL.

        Returns:
            The greatest key, the numbers and their texts; None where there are no rows.
        """
        ...

    def change(self, sql: str, params: Sequence[object] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        ...

    def change_many(self, sql: str, params: Iterable[Sequence[object]]) -> int:
        """Run a statement once for each tuple; how many rows changed."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A connection to a database of its own, which can be closed to all writers."""

    def forbid(self, reason: str) -> None:
        """Refuse every change of rows from now on, whoever makes it."""
        ...


class Reading:
    """A connection within a reading transaction: what would change something is a defect of the caller."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.next_change, self.changes = connection.next_change, connection.changes

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        return self._connection.rows(sql, params)

    def listed(self, values: Sequence[object]) -> tuple[str, Sequence[object]]:
        return self._connection.listed(values)

    def numbers(
        self, columns: Sequence[str], rows: str, params: Sequence[object] = (), *, order: str = ""
    ) -> NDArray[np.float64]:
        return self._connection.numbers(columns, rows, params, order=order)

    def texts(self, sql: str, params: Sequence[object] = ()) -> tuple[Any, NDArray[np.int64], list[str]] | None:
        return self._connection.texts(sql, params)

    def change(self, sql: str, params: Sequence[object] = ()) -> int:  # noqa: ARG002
        raise TypeError(f"a reading transaction cannot change anything: {sql}")

    def change_many(self, sql: str, params: Iterable[Sequence[object]]) -> int:  # noqa: ARG002
        raise TypeError(f"a reading transaction cannot change anything: {sql}")


class Document(Generic[T]):
    """A struct as JSON text. Floats are finite in documents: whoever makes one keeps NaN out."""

    def __init__(self, kind: type[T]) -> None:
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(kind).decode

    def text(self, value: T) -> str:
        """The JSON of a struct."""
        return self._encode(value).decode()

    def read(self, text: str) -> T:
        """The struct of a JSON text; fields that an older clew did not write take their defaults."""
        return self._decode(text)

    def one(self, rows: list[Row]) -> T | None:
        """The struct in the first column of the first row."""
        return self._decode(rows[0][0]) if rows else None

    def get(self, rows: list[Row], noun: str, name: str, *, hint: str = "") -> T:
        """The struct in the first column of the first row; `NotFound` where there is none."""
        if not rows:
            raise NotFound(noun, name, hint=hint)
        return self._decode(rows[0][0])

    def all(self, rows: Iterable[Row]) -> list[T]:
        """The structs in the first column."""
        return [self._decode(row[0]) for row in rows]


def rows_among(
    connection: Connection,
    sql: str,
    values: Sequence[object],
    *,
    before: Sequence[object] = (),
    after: Sequence[object] = (),
) -> Iterator[Row]:
    """The rows of a query for any number of values, some hundred values a query.

    Args:
        connection: within a transaction.
        sql: a query with `IN ({0})` where the values stand.
        values: in the order in which their rows are wanted.
        before: what its placeholders in front of those stand for.
        after: what those behind them stand for.
    """
    for start in range(0, len(values), _MOST_VALUES):
        listed, given = connection.listed(values[start : start + _MOST_VALUES])
        yield from connection.rows(sql.format(listed), (*before, *given, *after))


def rows_in_order(connection: Connection, table: str, key: Sequence[str], others: Sequence[str]) -> Iterator[Row]:
    """All rows of a table in the order of its key, a page at a time: the key's columns, then the others."""
    names, marks = ", ".join(key), ", ".join("?" * len(key))
    sql = f"SELECT {', '.join([*key, *others])} FROM {table}"
    end = f" ORDER BY {names} LIMIT {_MOST_ROWS}"
    page = connection.rows(sql + end)
    while page:
        yield from page
        page = connection.rows(f"{sql} WHERE ({names}) > ({marks}){end}", page[-1][: len(key)])
