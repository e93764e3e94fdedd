"""Experiments, runs and artifacts in SQL."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew.core.errors import Exists, NotFound
from clew.core.judging import FoundRun
from clew.core.paging import Page
from clew.core.types.filter import Search
from clew.core.types.run import DEFAULT_EXPERIMENT, Artifact, Experiment, Run, RunStatus
from clew.store.ledger.sql.connection import Connection, Document, Row, rows_among
from clew.store.ledger.sql.search import SqlSearch
from clew.store.ledger.sql.search_cache import SearchCache
from clew.store.ledger.sql.search_index import SqlSearchIndex

__all__ = ["SqlArtifacts", "SqlExperiments", "SqlRuns"]

_experiment = Document(Experiment)
_run = Document(Run)
_artifact = Document(Artifact)


class SqlExperiments:
    """`clew.core.contracts.ledger.Experiments`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def add(self, experiment: Experiment) -> Experiment:
        numbered = msgspec.structs.replace(experiment, number=self._next(experiment))
        added = self._c.change(
            "INSERT INTO experiments (id, project, name, number, document) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (numbered.id, numbered.project, numbered.name, numbered.number, _experiment.text(numbered)),
        )
        if not added:
            raise Exists("experiment", experiment.name)
        return numbered

    def put(self, experiment: Experiment) -> None:
        numbered = msgspec.structs.replace(experiment, number=self.get(experiment.id).number)
        other = self.find(experiment.project, experiment.name)
        if other is not None and other.id != experiment.id:
            raise Exists("experiment", experiment.name)
        self._c.change(
            "UPDATE experiments SET name = ?, document = ? WHERE id = ?",
            (numbered.name, _experiment.text(numbered), numbered.id),
        )

    def find(self, project: str, name: str) -> Experiment | None:
        return self._one("project = ? AND name = ?", (project, name))

    def find_number(self, project: str, number: int) -> Experiment | None:
        return self._one("project = ? AND number = ?", (project, number))

    def get(self, id: str) -> Experiment:
        found = self._one("id = ?", (id,))
        if found is None:
            raise NotFound("experiment", id)
        return found

    def list(self, project: str) -> list[Experiment]:
        sql = "SELECT document, number FROM experiments WHERE project = ? ORDER BY name"
        return [_numbered(row) for row in self._c.rows(sql, (project,))]

    def _one(self, where: str, params: Sequence[object]) -> Experiment | None:
        rows = self._c.rows(f"SELECT document, number FROM experiments WHERE {where}", params)
        return _numbered(rows[0]) if rows else None

    def _next(self, experiment: Experiment) -> int:
        if experiment.name == DEFAULT_EXPERIMENT and self.find_number(experiment.project, 0) is None:
            return 0
        sql = "SELECT COALESCE(MAX(number), 0) + 1 FROM experiments WHERE project = ?"
        return int(self._c.rows(sql, (experiment.project,))[0][0])


def _numbered(row: Row) -> Experiment:
    """An experiment with its number, which documents of an older clew do not hold."""
    return msgspec.structs.replace(_experiment.read(row[0]), number=int(row[1]))


class SqlRuns:
    """`clew.core.contracts.ledger.Runs`."""

    def __init__(self, connection: Connection, searches: SearchCache) -> None:
        self._c, self._searches = connection, searches
        self._index = SqlSearchIndex(connection)

    def add(self, run: Run) -> None:
        added = self._c.change(
            "INSERT INTO runs (id, project, experiment, name, status, parent, deleted_us, document) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (run.id, run.project, run.experiment, run.name, run.status, run.parent, run.deleted_us, _run.text(run)),
        )
        if not added:
            raise Exists("run", run.id)
        self._index.add(run)

    def put(self, run: Run) -> None:
        before = self.get(run.id)
        self._index.put(before, run)
        self._c.change(
            "UPDATE runs SET experiment = ?, name = ?, status = ?, parent = ?, deleted_us = ?, document = ? "
            "WHERE id = ?",
            (run.experiment, run.name, run.status, run.parent, run.deleted_us, _run.text(run), run.id),
        )

    def get(self, id: str) -> Run:
        rows = self._c.rows("SELECT document FROM runs WHERE id = ?", (id,))
        return _run.get(rows, "run", id, hint="clew runs list")

    def find(self, project: str, prefix: str) -> list[Run]:
        sql = (
            "SELECT d.document FROM ("
            "SELECT id FROM runs WHERE project = ? AND id >= ? AND id < ? AND deleted_us = 0 "
            "UNION SELECT id FROM runs WHERE project = ? AND name = ? AND deleted_us = 0"
            ") f CROSS JOIN search_runs s CROSS JOIN runs d WHERE s.run = f.id AND d.id = f.id "
            "ORDER BY s.created_us DESC, s.run DESC LIMIT 10"
        )
        return _run.all(self._c.rows(sql, (project, prefix, prefix + "g", project, prefix)))

    def among(self, project: str, runs: Sequence[str], *, status: RunStatus | None = None) -> set[str]:
        only, given = ("", ()) if status is None else (" AND status = ?", (status,))
        sql = "SELECT id FROM runs WHERE project = ? AND id IN ({0})" + only
        return {row[0] for row in rows_among(self._c, sql, runs, before=(project,), after=given)}

    def list(
        self,
        project: str,
        *,
        experiment: str = "",
        status: RunStatus | None = None,
        parent: str = "",
        deleted: bool | None = False,
        limit: int = 100,
        after: str = "",
    ) -> Page[Run]:
        wanted = {"experiment": experiment, "status": status or "", "parent": parent}
        given = [(f" AND {column} = ?", value) for column, value in wanted.items() if value]
        if after:
            given.append((" AND id < ?", after))
        where = "".join(clause for clause, _ in given)
        where += {None: "", False: " AND deleted_us = 0", True: " AND deleted_us > 0"}[deleted]
        sql = f"SELECT document FROM runs WHERE project = ?{where} ORDER BY id DESC LIMIT {int(limit) + 1}"
        runs = _run.all(self._c.rows(sql, (project, *(value for _, value in given))))
        return Page(items=runs[:limit], next=runs[limit - 1].id if len(runs) > limit else "")

    def search(self, project: str, search: Search) -> Page[FoundRun]:
        return SqlSearch(self._c, self._searches, project, search).page()

    def count(self, project: str) -> int:
        return int(self._c.rows("SELECT COUNT(*) FROM runs WHERE project = ?", (project,))[0][0])


class SqlArtifacts:
    """`clew.core.contracts.ledger.Artifacts`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def put(self, artifact: Artifact) -> None:
        self._c.change(
            "INSERT INTO artifacts (run, path, document) VALUES (?, ?, ?) "
            "ON CONFLICT (run, path) DO UPDATE SET document = excluded.document",
            (artifact.run, artifact.path, _artifact.text(artifact)),
        )

    def list(self, run: str, *, under: str = "") -> list[Artifact]:
        within, ends = (
            (" AND path > ? AND path < ?", (f"{under}/", f"{under}0")) if under else ("", ())
        )  # 0 is behind /
        sql = f"SELECT document FROM artifacts WHERE run = ?{within} ORDER BY path"
        return _artifact.all(self._c.rows(sql, (run, *ends)))

    def get(self, run: str, path: str) -> Artifact:
        rows = self._c.rows("SELECT document FROM artifacts WHERE run = ? AND path = ?", (run, path))
        return _artifact.get(rows, "artifact", path, hint=f"clew runs show {run}")

    def remove(self, run: str, paths: Sequence[str]) -> None:
        self._c.change_many("DELETE FROM artifacts WHERE run = ? AND path = ?", ((run, path) for path in paths))
