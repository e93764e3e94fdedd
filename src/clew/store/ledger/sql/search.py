"""Answers a search over runs: chooses a plan, judges what it gives, and fetches what is shown. Plans: `search_plan`.

A plan may only leave out runs that cannot be among the answers. Design: docs/design/search.md.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from clew.core.judging import FoundRun, key_of, key_of_token, token_of
from clew.core.paging import Page
from clew.core.types.edge import Role
from clew.core.types.filter import NEWEST, Comparison, Field, Filter, Not, Search, every, fields_of, parts_of
from clew.core.types.run import Run
from clew.store.ledger.sql.connection import Connection, Document, Row, rows_among
from clew.store.ledger.sql.search_cache import SearchCache
from clew.store.ledger.sql.search_column import Column
from clew.store.ledger.sql.search_frame import Frame
from clew.store.ledger.sql.search_ids import ID
from clew.store.ledger.sql.search_plan import Candidates, names_experiment, newest, rare, walks
from clew.store.ledger.sql.search_source import fill, renamed, source_of
from clew.store.ledger.sql.summary import SUMMARY, summary_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SqlSearch"]

_EXPERIMENT, _DELETED = Field("experiment"), Field("deleted")
_MOST_JOINED = 20
_FEW = 5000
"""Runs of a ledger whose columns cost less than to look for candidates twice."""
_run = Document(Run)


class SqlSearch:
    """One search.

    Args:
        connection: within a transaction.
        cache: columns of earlier searches.
        project: whose runs.
        search: what is asked.
    """

    def __init__(self, connection: Connection, cache: SearchCache, project: str, search: Search) -> None:
        self._c, self._cache, self._project = connection, cache, project
        self._search = search
        filtered = fields_of(search.filter) if search.filter else []
        self._asked = list(dict.fromkeys([*filtered, *(each.field for each in search.order)]))
        fields = self._asked if search.deleted is None else [*self._asked, _DELETED]
        self._fields = [each for each in fields if each != ID or ID in filtered]
        self._keys, self._behind = key_of_token(search.after, search.order)

    def page(self) -> Page[FoundRun]:
        """The runs that are asked for, and the cursor behind them."""
        found = self._newest()
        if found is None and not self._warm():
            found = self._by_candidates()
        if found is None:
            found = self._by_columns()
        return Page(items=self._shown(found.items), next=found.next)

    def _warm(self) -> bool:
        """Whether columns answer; ids are looked for by their index first."""
        if not self._fields or ID in self._fields:
            return False
        with self._cache.table(self._project) as table:
            return table.knows(self._fields)

    def _few(self) -> bool:
        """Whether all runs of the ledger are few."""
        return int(self._c.rows("SELECT COALESCE(MAX(number), 0) FROM search_runs")[0][0]) <= _FEW

    def _newest(self) -> Page[Run] | None:
        """The answer, where nothing is asked but for an experiment."""
        parts = parts_of(self._search.filter)
        if self._search.order != NEWEST or len(parts) > 1 or not all(map(names_experiment, parts)):
            return None
        at = (self._search, self._keys, self._behind, self._experiments)
        query = newest(self._project, *at, deleted=self._search.deleted)
        if query is None:
            return None
        sql = (
            f"SELECT d.document FROM ({query[0]} LIMIT ? OFFSET ?) w CROSS JOIN search_runs r CROSS JOIN runs d "
            "WHERE r.number = w.run AND d.id = r.run ORDER BY w.value DESC, r.run DESC"
        )
        return self._cut(_run.all(self._c.rows(sql, (*query[1], self._search.limit + 1, self._search.skip))))

    def _by_columns(self) -> Page[Run]:
        with self._cache.table(self._project) as table:
            return self._answer(self._named(table.frame(self._c, self._fields)), _of_trash(self._search.deleted))

    def _by_candidates(self) -> Page[Run] | None:
        """The answer, where few candidates hold it."""
        if len(self._asked) > _MOST_JOINED:
            return None
        with self._cache.table(self._project) as table:
            far = not table.asked(self._fields)
        if not far and ID not in self._fields and self._few():
            return None
        wanted = rare(self._c, self._project, parts_of(self._search.filter), self._experiments)
        if wanted is not None:
            return self._among(self._rows(wanted))
        for wanted in walks(self._project, self._search, self._keys, self._behind, self._experiments, far=far):
            rows = self._rows(wanted)
            whole = len(rows) < wanted.limit
            if not whole and wanted.worst:
                edge = wanted.worst(row[1] for row in rows)
                rows = [row for row in rows if row[1] != edge]  # others may have it too
            found = self._among(rows)
            if found.next or (whole and wanted.complete):
                return found
            if whole:
                return None
        return None

    def _among(self, rows: list[Row]) -> Page[Run]:
        import numpy as np

        deleted = self._search.deleted
        rows = rows if deleted is None else [row for row in rows if bool(row[0]) is deleted]
        numbers = np.fromiter((row[2] for row in rows), dtype=np.int64, count=len(rows))
        ids = [row[3] for row in rows]
        order = sorted(ids)
        ranks = {run: at for at, run in enumerate(order)}
        places = np.fromiter(map(ranks.__getitem__, ids), dtype=np.int64, count=len(ids))
        columns: dict[Field, Column] = {}
        for at, field in enumerate(self._asked):
            column = columns[field] = Column(len(rows))
            start = 4 + 3 * at
            triples = [row[start : start + 3] for row in rows]
            fill(column, np.arange(len(rows)), triples, source_of(self._project, field))
        rank = partial(bisect.bisect_left, order)
        return self._answer(self._named(Frame(numbers, places, columns, rank)))

    def _rows(self, wanted: Candidates) -> list[Row]:
        """Candidates: when they were put into the trash, what they were found by, number, id; three columns a field."""
        selected, joins, given = ["r.deleted_us", "w.value", "r.number", "r.run"], [], list(wanted.given)
        aliases: dict[int | None, str] = {None: "r"}
        for source in (source_of(self._project, field) for field in self._asked):
            if source.field not in aliases:  # two aggregates of a metric stand in one row
                alias = aliases[source.field] = f"a{len(aliases)}"
                joins.append(f" LEFT JOIN {source.table} {alias} ON {alias}.field = ? AND {alias}.run = w.run")
                given.append(source.field)
            alias = aliases[source.field]
            selected += [f"{alias}.run", source.number.format(alias), source.text.format(alias)]
        sql = (
            f"SELECT {', '.join(selected)} FROM ({wanted.sql} LIMIT {wanted.limit}) w "
            f"CROSS JOIN search_runs r{''.join(joins)} WHERE r.number = w.run"
        )
        return self._c.rows(sql, given)

    def _answer(self, frame: Frame, *more: Filter | None) -> Page[Run]:
        import numpy as np

        at = frame.passing(every(self._search.filter, *more))
        if self._search.after:
            at = frame.behind(at, self._search.order, self._keys, self._behind)
        while True:
            first = self._first(frame, at)
            numbers: list[int] = frame.numbers[first].tolist()
            runs = self._runs(numbers)
            if len(runs) == len(first):
                return self._cut([runs[number] for number in numbers], frame, first)
            # some came when this transaction was under way, and another search has seen them
            without = [position for position, number in zip(first, numbers, strict=True) if number not in runs]
            at = at[~np.isin(at, without)]

    def _runs(self, numbers: Sequence[int]) -> dict[int, Run]:
        """Runs by their numbers; without those that this transaction does not see."""
        return {row[0]: _run.read(row[1]) for row in rows_among(self._c, _RUNS, numbers, after=(self._project,))}

    def _first(self, frame: Frame, at: NDArray[np.int64]) -> list[int]:
        skip = self._search.skip
        return frame.first(at, self._search.order, skip + self._search.limit + 1)[skip:]

    def _cut(self, found: list[Run], frame: Frame | None = None, at: Sequence[int] = ()) -> Page[Run]:
        """The page of these runs, which are one more where others follow; the cursor has the keys of the last one."""
        place = self._search.limit - 1
        if len(found) <= self._search.limit:
            return Page(items=found, next="")
        last = found[place]
        keys = frame.keys(at[place], self._search.order) if frame else [key_of(last.created_us)]
        return Page(items=found[: place + 1], next=token_of(keys, self._search.order, last.id))

    def _named(self, frame: Frame) -> Frame:
        """The same runs with the names of their experiments."""
        if _EXPERIMENT not in frame.columns:
            return frame
        names = {each: name for name, each in self._experiments.items()}
        column = renamed(frame.columns[_EXPERIMENT], names)
        return Frame(frame.numbers, frame.places, {**frame.columns, _EXPERIMENT: column}, frame.rank)

    @cached_property
    def _experiments(self) -> dict[str, str]:
        rows = self._c.rows("SELECT name, id FROM experiments WHERE project = ?", (self._project,))
        return {row[0]: row[1] for row in rows}

    def _shown(self, runs: Sequence[Run]) -> list[FoundRun]:
        names = {each: name for name, each in self._experiments.items()}
        found = {
            run.id: FoundRun(run=run, experiment=names.get(run.experiment, ""), metrics={}, data={}) for run in runs
        }
        ids = list(found)
        keys = self._search.metrics
        only = "" if keys is None else f" AND key IN ({', '.join('?' * len(keys))})"
        if keys is None or keys:
            sql = f"SELECT {SUMMARY} FROM series WHERE run IN ({{0}}){only}"
            for row in rows_among(self._c, sql, ids, after=keys or ()):
                found[row[0]].metrics[row[1]] = summary_of(row)
        nodes = [f"run:{each}" for each in ids]
        for run, name, number in rows_among(self._c, _DATA, nodes, after=(Role.INPUT,)):
            data = found[run[4:]].data
            data[name] = max(int(number), data.get(name, 0))
        return list(found.values())


_RUNS = (
    "SELECT r.number, d.document FROM search_runs r CROSS JOIN runs d "
    "WHERE r.number IN ({0}) AND r.project || '' = ? AND d.id = r.run"
)
_DATA = (
    "SELECT e.target, d.name, v.number FROM edges e CROSS JOIN dataset_versions v CROSS JOIN datasets d "
    "WHERE e.target IN ({0}) AND e.role = ? AND e.source LIKE 'data:%' AND v.id = substr(e.source, 6) "
    "AND d.id = v.dataset"
)


def _of_trash(deleted: bool | None) -> Filter | None:
    """What runs pass that are in the trash, or are not."""
    if deleted is None:
        return None
    outside = Comparison(_DELETED, "is", (None,))
    return Not(outside) if deleted else outside
