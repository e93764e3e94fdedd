"""Columns of all runs, kept in memory between the searches of a process, and brought up to date by each.

Disposable: whatever is odd about it, it is read anew. Not what a search does with columns (`search_frame`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clew.core.types.filter import Field
from clew.store.ledger.sql.connection import Connection, Row, rows_among
from clew.store.ledger.sql.search_column import Column
from clew.store.ledger.sql.search_frame import Frame
from clew.store.ledger.sql.search_ids import ID, Ids
from clew.store.ledger.sql.search_source import Source, fill, load, source_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SearchCache"]

_MOST_ASKED, _SPARE_TEXTS = 10_000, 1000
_MOST_VALUES = 200_000_000 // 13
"""Of the columns of a project: a value takes 13 bytes, and a text its own length once. All projects: twice as many."""


class SearchCache:
    """The columns of each project of one ledger, for one process; what was not asked for longest makes room."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._tables: dict[str, _Table] = {}

    @contextmanager
    def table(self, project: str) -> Iterator[_Table]:
        """The columns of a project, for one thread at a time."""
        if self._pid != os.getpid():
            self._begin()  # a child of a fork: another thread may have held the lock
        with self._lock:
            table = self._tables.pop(project, None) or _Table(project)
            self._tables[project] = table  # behind all others
        with table.lock:
            yield table
        with self._lock:
            while len(self._tables) > 1 and sum(each.size for each in self._tables.values()) > 2 * _MOST_VALUES:
                del self._tables[next(iter(self._tables))]


class _Table:
    """All runs of a project, in the order in which they came to be known."""

    def __init__(self, project: str) -> None:
        self.lock = threading.Lock()
        self._project = project
        self._empty()

    def _empty(self) -> None:
        import numpy as np

        self._known = 0
        self._asked: set[Field] = set()
        self._ids: list[str] = []
        self._positions: NDArray[np.int64] = np.full(1024, -1, dtype=np.int64)
        self._places: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._columns: dict[Field, tuple[Column, int]] = {}

    @property
    def size(self) -> int:
        """How many values it holds, ids and positions of runs among them."""
        return len(self._positions) + len(self._ids) * (1 + len(self._columns))

    def knows(self, fields: Iterable[Field]) -> bool:
        """Whether it has columns of all these fields."""
        return bool(self._ids) and all(field in self._columns for field in fields if field != ID)

    def asked(self, fields: Iterable[Field]) -> bool:
        """Whether all these fields were asked for before; they have been now."""
        before = self._asked.issuperset(fields)
        if len(self._asked) > _MOST_ASKED:
            self._asked.clear()
        self._asked.update(fields)
        return before

    def frame(self, connection: Connection, fields: Sequence[Field]) -> Frame:
        """All runs with these columns, as the ledger is now."""
        seen, below = map(int, connection.rows(f"SELECT {connection.changes}")[0])
        since = min([self._known, *(known for field, (_, known) in self._columns.items() if field in fields)])
        changed = self._changed(connection, since, below)
        self._add_runs(changed, seen)
        columns = {field: self._column(connection, field, seen, changed) for field in fields if field != ID}
        if ID in fields:
            columns[ID] = Ids(self._ids, self._places, self.place)
        return Frame(self._ids, self._places, columns)

    def _changed(self, connection: Connection, since: int, below: int) -> list[Row]:
        """Runs that changed since, as change, number and id, by id. What is said to come later is of another server."""
        # the expression keeps SQLite from going through the whole project where a few changes are asked for
        where = f"project || '' = ? AND change >= {since} AND change < {below}" if since else "project = ?"
        rows = connection.rows(f"SELECT change, number, run FROM search_runs WHERE {where}", (self._project,))
        return sorted(rows, key=lambda row: row[2])

    def _add_runs(self, changed: list[Row], seen: int) -> None:
        import numpy as np

        self._known = max(self._known, seen)
        if not changed:
            return
        numbers = np.array([row[1] for row in changed], dtype=np.int64)
        self._reserve(int(numbers.max()))
        new = self._positions[numbers] < 0
        if new.any():
            added = [changed[at][2] for at in np.flatnonzero(new).tolist()]
            self._positions[numbers[new]] = np.arange(len(self._ids), len(self._ids) + len(added))
            self._order(added)

    def _reserve(self, number: int) -> None:
        import numpy as np

        if number >= len(self._positions):
            more = np.full(max(number + 1, 2 * len(self._positions)) - len(self._positions), -1, dtype=np.int64)
            self._positions = np.concatenate([self._positions, more])

    def _order(self, added: list[str]) -> None:
        """Add ids, which are in order among themselves."""
        import numpy as np

        size, last = len(self._ids), self._ids[-1] if self._ids else ""
        in_order = added[0] > last and (not size or self._places[-1] == size - 1)
        self._ids += added
        if in_order:
            self._places = np.concatenate([self._places, np.arange(size, len(self._ids))])
            return
        order = sorted(range(len(self._ids)), key=self._ids.__getitem__)
        self._places = np.empty(len(order), dtype=np.int64)
        self._places[order] = np.arange(len(order))

    def place(self, id: str) -> int:
        """The place of an id among all; where there is none, that of the next one behind it."""
        import numpy as np

        low, high = 0, len(self._ids)
        if self._places[-1:] == high - 1 and (high < 2 or bool(np.all(self._places == np.arange(high)))):
            order: Any = range(high)
        else:
            order = np.argsort(self._places)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._ids[order[middle]] < id else (low, middle)
        return low

    def _column(self, connection: Connection, field: Field, seen: int, changed: list[Row]) -> Column:
        import numpy as np

        column, known = self._columns.pop(field, (None, 0))
        if column is not None and len(column.texts.texts) > 2 * len(self._ids) + _SPARE_TEXTS:
            column, known = None, 0  # most of its texts are of values that runs have no more
        source = source_of(self._project, field)
        if column is None:
            column = Column(len(self._ids))
            load(connection, column, source, self._project, self._at)
        else:
            column.resize(len(self._ids))
            numbers = np.array([row[1] for row in changed if row[0] >= known], dtype=np.int64)
            column.clear(self._at(numbers))
            rows = _some_rows(connection, source, numbers.tolist())
            fill(column, self._at(np.array([row[0] for row in rows], dtype=np.int64)), rows, source)
        self._keep(field, column, max(known, seen))
        return column

    def _at(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The positions of runs; −1 for those that are not known, or of other projects."""
        import numpy as np

        inside = numbers < len(self._positions)
        return np.where(inside, self._positions[np.where(inside, numbers, 0)], -1)

    def _keep(self, field: Field, column: Column, known: int) -> None:
        """Keep a column; the ones that were not used for longest make room."""
        self._columns[field] = (column, known)
        most = max(_MOST_VALUES // max(len(self._ids), 1), 4)
        while len(self._columns) > most:
            del self._columns[next(iter(self._columns))]


def _some_rows(connection: Connection, source: Source, numbers: list[int]) -> list[Row]:
    only, given = ("", []) if source.field is None else (" AND v.field = ?", [source.field])
    selected = f"v.{source.run}, {source.number.format('v')}, {source.text.format('v')}"
    sql = f"SELECT {selected} FROM {source.table} v WHERE v.{source.run} IN ({{0}}){only}"
    return list(rows_among(connection, sql, numbers, after=given))
