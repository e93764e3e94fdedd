"""Experiments, runs and artifacts in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from clew.core.errors import Exists, NotFound
from clew.core.paging import Page
from clew.core.types.run import Artifact, Experiment, Run, RunStatus
from clew.store.ledger.sql.connection import Connection, Document
from clew.store.ledger.sql.named import Named

__all__ = ["SqlArtifacts", "SqlExperiments", "SqlRuns"]

_experiment = Document(Experiment)
_run = Document(Run)
_artifact = Document(Artifact)


class SqlExperiments(Named[Experiment]):
    """`clew.core.contracts.ledger.Experiments`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, table="experiments", noun="experiment", document=_experiment)


class SqlRuns:
    """`clew.core.contracts.ledger.Runs`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def add(self, run: Run) -> None:
        added = self._c.change(
            "INSERT INTO runs (id, project, experiment, name, status, parent, document) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (run.id, run.project, run.experiment, run.name, run.status, run.parent, _run.text(run)),
        )
        if not added:
            raise Exists("run", run.id)

    def put(self, run: Run) -> None:
        changed = self._c.change(
            "UPDATE runs SET experiment = ?, name = ?, status = ?, parent = ?, document = ? WHERE id = ?",
            (run.experiment, run.name, run.status, run.parent, _run.text(run), run.id),
        )
        if not changed:
            raise NotFound("run", run.id)

    def get(self, id: str) -> Run:
        found = _run.one(self._c.rows("SELECT document FROM runs WHERE id = ?", (id,)))
        if found is None:
            raise NotFound("run", id, hint="clew runs list")
        return found

    def find(self, project: str, prefix: str) -> list[Run]:
        sql = (
            "SELECT document, id FROM runs WHERE project = ? AND id >= ? AND id < ? "
            "UNION SELECT document, id FROM runs WHERE project = ? AND name = ? ORDER BY id DESC LIMIT 10"
        )
        return _run.all(self._c.rows(sql, (project, prefix, prefix + "g", project, prefix)))

    def among(self, project: str, runs: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(runs), 500):
            some = runs[start : start + 500]
            marks = ", ".join("?" * len(some))
            rows = self._c.rows(f"SELECT id FROM runs WHERE project = ? AND id IN ({marks})", (project, *some))
            found.update(row[0] for row in rows)
        return found

    def list(
        self,
        project: str,
        *,
        experiment: str = "",
        status: RunStatus | None = None,
        parent: str = "",
        limit: int = 100,
        after: str = "",
    ) -> Page[Run]:
        wanted = {"experiment": experiment, "status": status or "", "parent": parent}
        given = [(f" AND {column} = ?", value) for column, value in wanted.items() if value]
        if after:
            given.append((" AND id < ?", after))
        where = "".join(clause for clause, _ in given)
        sql = f"SELECT document FROM runs WHERE project = ?{where} ORDER BY id DESC LIMIT {int(limit) + 1}"
        runs = _run.all(self._c.rows(sql, (project, *(value for _, value in given))))
        return Page(items=runs[:limit], next=runs[limit - 1].id if len(runs) > limit else "")

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

    def list(self, run: str) -> list[Artifact]:
        return _artifact.all(self._c.rows("SELECT document FROM artifacts WHERE run = ? ORDER BY path", (run,)))

    def get(self, run: str, path: str) -> Artifact:
        found = _artifact.one(self._c.rows("SELECT document FROM artifacts WHERE run = ? AND path = ?", (run, path)))
        if found is None:
            raise NotFound("artifact", path, hint=f"clew runs show {run}")
        return found
