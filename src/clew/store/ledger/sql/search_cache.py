"""Columns of all runs, kept in memory between the searches of a process, and brought up to date by each.

Disposable: whatever is odd about it, it is read anew. Not what a search does with columns (`search_frame`).
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from clew.core.types.filter import Field
from clew.store.ledger.sql.connection import Connection, Row, rows_among
from clew.store.ledger.sql.search_column import Column
from clew.store.ledger.sql.search_frame import Frame
from clew.store.ledger.sql.search_ids import ID, Ids
from clew.store.ledger.sql.search_source import Source, fill, load, source_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SearchCache", "Table"]

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
        self._tables: dict[str, Table] = {}

    @contextmanager
    def table(self, project: str) -> Iterator[Table]:
        """The columns of a project, for one thread at a time."""
        if self._pid != os.getpid():
            self._begin()  # a child of a fork: another thread may have held the lock
        with self._lock:
            table = self._tables.pop(project, None) or Table(project)
            self._tables[project] = table  # behind all others
        with table.lock:
            yield table
        with self._lock:
            while len(self._tables) > 1 and sum(each.size for each in self._tables.values()) > 2 * _MOST_VALUES:
                del self._tables[next(iter(self._tables))]


class Table:
    """All runs of a project, in the order in which they came to be known."""

    def __init__(self, project: str) -> None:
        import numpy as np

        self.lock = threading.Lock()
        self._project = project
        self._known = 0
        self._asked: set[Field] = set()
        self._greatest = ""
        self._numbers: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._positions: NDArray[np.int64] = np.full(1024, -1, dtype=np.int64)
        self._places: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._columns: dict[Field, tuple[Column, int]] = {}

    @property
    def size(self) -> int:
        """How many values it holds, numbers and positions of runs among them."""
        return len(self._positions) + len(self._numbers) * (1 + len(self._columns))

    def knows(self, fields: Iterable[Field]) -> bool:
        """Whether it has columns of all these fields."""
        return len(self._numbers) > 0 and all(field in self._columns for field in fields)

    def asked(self, fields: Iterable[Field]) -> bool:
        """Whether all these fields were asked for before; they have been now."""
        before = self._asked.issuperset(fields)
        if len(self._asked) > _MOST_ASKED:
            self._asked.clear()
        self._asked.update(fields)
        return before

    def frame(self, connection: Connection, fields: Sequence[Field]) -> Frame:
        """All runs with these columns, as the ledger is now; ids need none to be an order."""
        seen, below = map(int, connection.rows(f"SELECT {connection.changes}")[0])
        since = min([self._known, *(known for field, (_, known) in self._columns.items() if field in fields)])
        changed = self._changed(connection, since, below) if since else []
        self._add_runs(connection, [row[1] for row in changed], everything=not since)
        self._known = max(self._known, seen)
        ids, rank = partial(self._ids, connection), partial(self._rank, connection)
        columns: dict[Field, Column] = {ID: Ids(self._places, rank, ids)}
        columns |= {field: self._column(connection, field, seen, changed) for field in fields}
        return Frame(self._numbers, self._places, columns, rank)

    def _changed(self, connection: Connection, since: int, below: int) -> list[Row]:
        """Change and number of runs that changed since. What is said to come later is of another server."""
        # the expression keeps SQLite from going through the whole project where a few changes are asked for
        where = f"project || '' = ? AND change >= {since} AND change < {below}"
        return connection.rows(f"SELECT change, number FROM search_runs WHERE {where}", (self._project,))

    def _add_runs(self, connection: Connection, changed: Sequence[int], *, everything: bool) -> None:
        """Give new runs positions and places: behind all others if their ids are, else all runs get their places anew.

        A writer may see runs that are committed meanwhile; they are new the next time.
        """
        import numpy as np

        numbers = np.array(changed, dtype=np.int64)
        new = numbers[self._at(numbers) < 0]
        if not len(new) and not everything:
            return
        order = self._order(connection, self._greatest)
        first = int(self._places.max(initial=-1)) + 1
        if not np.isin(new, order).all():
            order, first = self._order(connection, ""), 0
        if not len(order):
            return
        greatest = connection.rows("SELECT run FROM search_runs WHERE number = ?", (int(order[-1]),))[0][0]
        new = order if everything else order[np.isin(order, new)]
        self._reserve(int(order.max()))
        self._positions[new] = np.arange(len(self._numbers), len(self._numbers) + len(new))
        self._numbers = np.concatenate([self._numbers, new])
        self._places = np.concatenate([self._places, np.full(len(new), -1)])
        at = self._at(order)
        self._places[at[at >= 0]] = first + np.flatnonzero(at >= 0)
        self._greatest = greatest

    def _order(self, connection: Connection, behind: str) -> NDArray[np.int64]:
        """The numbers of the runs behind an id, in the order of their ids."""
        import numpy as np

        rows = "search_runs WHERE project = ? AND run > ?"
        return connection.numbers(["number"], rows, (self._project, behind), order="run")[:, 0].astype(np.int64)

    def _reserve(self, number: int) -> None:
        import numpy as np

        if number >= len(self._positions):
            more = np.full(max(number + 1, 2 * len(self._positions)) - len(self._positions), -1, dtype=np.int64)
            self._positions = np.concatenate([self._positions, more])

    def _ids(self, connection: Connection, at: Sequence[int]) -> list[str]:
        """The ids of runs by position; empty where this transaction sees no such run."""
        numbers = self._numbers[at].tolist()
        sql = "SELECT number, run FROM search_runs WHERE number IN ({0}) AND project || '' = ?"
        found = {row[0]: row[1] for row in rows_among(connection, sql, numbers, after=(self._project,))}
        return [found.get(number, "") for number in numbers]

    def _rank(self, connection: Connection, id: str) -> float:
        """The place of an id; where there is none, half a place in front of the next one behind it."""
        import numpy as np

        sql = "SELECT number, run FROM search_runs WHERE project = ? AND run >= ? ORDER BY run LIMIT 100"
        rows = connection.rows(sql, (self._project, id))
        for at, (_, run) in zip(self._at(np.array([row[0] for row in rows], dtype=np.int64)), rows, strict=True):
            if at >= 0:
                return float(self._places[at]) - (0.0 if run == id else 0.5)
        return math.inf

    def _column(self, connection: Connection, field: Field, seen: int, changed: list[Row]) -> Column:
        import numpy as np

        column, known = self._columns.pop(field, (None, 0))
        if column is not None and len(column.texts.texts) > 2 * len(self._numbers) + _SPARE_TEXTS:
            column, known = None, 0  # most of its texts are of values that runs have no more
        source = source_of(self._project, field)
        if column is None:
            column = Column(len(self._numbers))
            load(connection, column, source, self._project, self._at)
        else:
            column.resize(len(self._numbers))
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
        most = max(_MOST_VALUES // max(len(self._numbers), 1), 4)
        while len(self._columns) > most:
            del self._columns[next(iter(self._columns))]


def _some_rows(connection: Connection, source: Source, numbers: list[int]) -> list[Row]:
    only, given = ("", []) if source.field is None else (" AND v.field = ?", [source.field])
    selected = f"v.{source.run}, {source.number.format('v')}, {source.text.format('v')}"
    sql = f"SELECT {selected} FROM {source.table} v WHERE v.{source.run} IN ({{0}}){only}"
    return list(rows_among(connection, sql, numbers, after=given))
