"""Keeps the rows that searches over runs look up, in the transaction that changes what they say.

Not the search (`search`). A field is known by a hash of its name, so that nobody has to agree on numbers: design in
docs/design/search.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter

from clew.core.hashing import hash_bytes
from clew.core.judging import aggregate_of, as_number, as_text
from clew.core.types.edge import Edge, Role
from clew.core.types.filter import Value
from clew.core.types.run import Run
from clew.core.types.series import Series
from clew.store.ledger.sql.connection import Connection, rows_among
from clew.store.ledger.sql.summary import SUMMARY, summary_of

__all__ = ["METRIC_COLUMNS", "SqlSearchIndex", "number_of"]

METRIC_COLUMNS = {"last": "last", "min": "low", "max": "high", "first": "first", "mean": "mean", "count": "count"}
_FACTS = "experiment, name, status, kind, parent, revision, created_by, created_us, ended_us, deleted_us"
_Facts = dict[tuple[str, str], Value]


@lru_cache(maxsize=65536)
def number_of(project: str, kind: str, name: str) -> int:
    """The number that a field has in the index."""
    digest = hash_bytes(f"{project}\0{kind}\0{name}".encode())
    return int.from_bytes(bytes.fromhex(digest[:16]), "big", signed=True)


class SqlSearchIndex:
    """Rows about runs, as their documents, series and inputs change."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def fill(self, runs: Sequence[Run]) -> None:
        """Runs that have been there for a while, with what they have measured."""
        for run in runs:
            self.add(run)
        sql = f"SELECT {SUMMARY} FROM series WHERE run IN ({{0}})"
        self.measure(summary_of(row) for row in rows_among(self._c, sql, [run.id for run in runs]))

    def add(self, run: Run) -> None:
        """A new run, which may have inputs already, or one of a project that is put in the place of itself."""
        marks = ", ".join("?" * 12)
        again = ", ".join(f"{name} = excluded.{name}" for name in (*_FACTS.split(", "), "change"))
        sql = (
            f"INSERT INTO search_runs (run, project, {_FACTS}, change) VALUES ({marks}, {self._c.next_change}) "
            f"ON CONFLICT (run) DO UPDATE SET {again} RETURNING number"
        )
        number = int(self._c.rows(sql, (run.id, run.project, *_facts(run)))[0][0])
        self._set(run.project, number, values_of(run))
        self._inputs(run.project, number, self._used(run.id))

    def put(self, before: Run, run: Run) -> None:
        """A run as it is now."""
        found = self._find(run.id)
        if found is None:
            return
        number, _ = found
        old, new = values_of(before), values_of(run)
        changed_values = {key: value for key, value in new.items() if key not in old or old[key] != value}
        self._set(run.project, number, changed_values)
        gone = [(number_of(run.project, *key), number) for key in sorted(old.keys() - new.keys())]
        if gone:
            self._c.change_many("DELETE FROM search_values WHERE field = ? AND run = ?", gone)
        changed = ", ".join(f"{name} = ?" for name in _FACTS.split(", "))
        sql = f"UPDATE search_runs SET {changed}, change = {self._c.next_change} WHERE number = ?"
        self._c.change(sql, (*_facts(run), number))

    def measure(self, series: Iterable[Series]) -> None:
        """Series as they are now."""
        changed = list(series)
        runs = sorted({each.run for each in changed})
        sql = "SELECT run, number, project FROM search_runs WHERE run IN ({0})"
        known = {run: (int(number), project) for run, number, project in rows_among(self._c, sql, runs)}
        measured = [_measured(*known[each.run], each) for each in changed if each.run in known]
        self._c.change_many(_MEASURE, sorted(measured, key=itemgetter(0, 1)))
        self._touch(number for number, _ in known.values())

    def forget(self, run: str, keys: Sequence[str]) -> None:
        """Metrics that a run has no more."""
        found = self._find(run)
        if found is not None and keys:
            number, project = found
            gone = sorted((number_of(project, "metric", key), number) for key in keys)
            self._c.change_many("DELETE FROM search_metrics WHERE field = ? AND run = ?", gone)
            self._touch([number])

    def use(self, edges: Sequence[Edge]) -> None:
        """Data that flowed into runs."""
        used: dict[str, list[str]] = {}
        for edge in edges:
            if run := _user(edge):
                used.setdefault(run, []).append(edge.source.partition(":")[2])
        for run in sorted(used):
            found = self._find(run)
            if found is not None:
                number, project = found
                self._inputs(project, number, used[run])
                self._touch([number])

    def _touch(self, numbers: Iterable[int]) -> None:
        sql = f"UPDATE search_runs SET change = {self._c.next_change} WHERE number = ?"
        self._c.change_many(sql, [(number,) for number in sorted(numbers)])

    def _find(self, run: str) -> tuple[int, str] | None:
        """The number of a run, and its project."""
        rows = self._c.rows("SELECT number, project FROM search_runs WHERE run = ?", (run,))
        return (int(rows[0][0]), rows[0][1]) if rows else None

    def _set(self, project: str, number: int, values: _Facts) -> None:
        rows = {number_of(project, *key): _split(value) for key, value in values.items()}
        if rows:
            self._c.change_many(_SET, [(field, number, *rows[field]) for field in sorted(rows)])

    def _used(self, run: str) -> list[str]:
        sql = "SELECT source FROM edges WHERE target = ? AND role = ?"
        rows = self._c.rows(sql, (f"run:{run}", Role.INPUT))
        return [row[0].partition(":")[2] for row in rows if row[0].startswith("data:")]

    def _inputs(self, project: str, number: int, versions: Sequence[str]) -> None:
        found: _Facts = {}
        for version in versions:
            sql = "SELECT d.name, v.number FROM dataset_versions v JOIN datasets d ON d.id = v.dataset WHERE v.id = ?"
            for name, position in self._c.rows(sql, (version,)):
                key = ("data", name)
                found[key] = max(int(position), int(found.get(key) or 0))
        for key, value in list(found.items()):
            sql = "SELECT number FROM search_values WHERE field = ? AND run = ?"
            known = self._c.rows(sql, (number_of(project, *key), number))
            found[key] = max([float(value or 0), *(row[0] for row in known)])
        self._set(project, number, found)


_SET = (
    "INSERT INTO search_values (field, run, number, text) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (field, run) DO UPDATE SET number = excluded.number, text = excluded.text"
)
_MEASURE = (
    "INSERT INTO search_metrics (field, run, last, low, high, first, mean, count) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (field, run) DO UPDATE SET last = excluded.last, low = excluded.low, high = excluded.high, "
    "first = excluded.first, mean = excluded.mean, count = excluded.count"
)


def values_of(run: Run) -> _Facts:
    """The named values of a run itself."""
    return dict(_values(run))


def _values(run: Run) -> Iterator[tuple[tuple[str, str], Value]]:
    for name, value in run.params.items():
        if value is not None:
            yield ("param", name), value
    for name, text in run.tags.items():
        yield ("tag", name), text


def _split(value: Value) -> tuple[float | None, str | None]:
    """A value as number or as text."""
    return (None, as_text(value)) if isinstance(value, str) else (as_number(value or 0), None)


def _facts(run: Run) -> tuple[object, ...]:
    texts = (run.experiment, run.name, run.status, run.kind, run.parent, run.commit, run.created_by)
    return (*map(as_text, texts), run.created_us, run.ended_us, run.deleted_us)


def _measured(number: int, project: str, series: Series) -> tuple[float | None, ...]:
    values = [aggregate_of(series, aggregate) for aggregate in METRIC_COLUMNS]
    field = number_of(project, "metric", series.key)
    return (field, number, *(None if math.isnan(value) else float(value) for value in values))


def _user(edge: Edge) -> str:
    """The run that an edge says data flowed into."""
    flows = edge.role is Role.INPUT and edge.source.startswith("data:") and edge.target.startswith("run:")
    return edge.target.partition(":")[2] if flows else ""
