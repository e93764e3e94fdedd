"""Experiments, runs and artifacts in memory."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew.core.errors import Exists, NotFound
from clew.core.judging import FoundRun
from clew.core.paging import Page
from clew.core.types.edge import Role
from clew.core.types.filter import Search
from clew.core.types.run import DEFAULT_EXPERIMENT, Artifact, Experiment, Run, RunStatus
from clew.store.ledger.memory.named import NamedRows
from clew.store.ledger.memory.search import search_all
from clew.store.ledger.memory.series import MemorySeriesBlocks
from clew.store.ledger.memory.tables import Tables

__all__ = ["MemoryArtifacts", "MemoryExperiments", "MemoryRuns"]


class MemoryExperiments:
    """`clew.core.contracts.ledger.Experiments`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.experiments
        self._named = NamedRows(tables.experiments, "experiment")

    def add(self, experiment: Experiment) -> Experiment:
        numbers = [row.number for row in self._rows.values() if row.project == experiment.project]
        first = experiment.name == DEFAULT_EXPERIMENT and 0 not in numbers
        number = 0 if first else max([0, *numbers]) + 1
        self._named.add(numbered := msgspec.structs.replace(experiment, number=number))
        return numbered

    def put(self, experiment: Experiment) -> None:
        self._named.put(msgspec.structs.replace(experiment, number=self.get(experiment.id).number))

    def find(self, project: str, name: str) -> Experiment | None:
        return self._named.find(project, name)

    def find_number(self, project: str, number: int) -> Experiment | None:
        return next((row for row in self._named.list(project) if row.number == number), None)

    def get(self, id: str) -> Experiment:
        return self._named.get(id)

    def list(self, project: str) -> list[Experiment]:
        return self._named.list(project)


class MemoryRuns:
    """`clew.core.contracts.ledger.Runs`."""

    def __init__(self, tables: Tables) -> None:
        self._rows, self._tables = tables.runs, tables

    def add(self, run: Run) -> None:
        if run.id in self._rows:
            raise Exists("run", run.id)
        self._rows[run.id] = run

    def put(self, run: Run) -> None:
        self.get(run.id)
        self._rows[run.id] = run

    def get(self, id: str) -> Run:
        if id not in self._rows:
            raise NotFound("run", id, hint="clew runs list")
        return self._rows[id]

    def _newest_first(self, project: str) -> list[Run]:
        return sorted((run for run in self._rows.values() if run.project == project), key=lambda run: run.id)[::-1]

    def find(self, project: str, prefix: str) -> list[Run]:
        alive = [run for run in self._newest_first(project) if not run.deleted_us]
        alive.sort(key=lambda run: run.created_us, reverse=True)
        return [run for run in alive if run.id.startswith(prefix) or run.name == prefix][:10]

    def among(self, project: str, runs: Sequence[str], *, status: RunStatus | None = None) -> set[str]:
        found = [self._rows[run] for run in runs if run in self._rows]
        return {run.id for run in found if run.project == project and status in (None, run.status)}

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
        found = [
            run
            for run in self._newest_first(project)
            if (not experiment or run.experiment == experiment)
            and (status is None or run.status is status)
            and (not parent or run.parent == parent)
            and (deleted is None or bool(run.deleted_us) is deleted)
            and (not after or run.id < after)
        ]
        return Page(items=found[:limit], next=found[limit - 1].id if len(found) > limit else "")

    def search(self, project: str, search: Search) -> Page[FoundRun]:
        experiments = {each.id: each.name for each in self._tables.experiments.values()}
        series = MemorySeriesBlocks(self._tables)
        found = [
            FoundRun(
                run=run,
                experiment=experiments.get(run.experiment, ""),
                metrics={each.key: each for each in series.summaries([run.id])},
                data=self._data(run),
            )
            for run in self._newest_first(project)
            if search.deleted is None or bool(run.deleted_us) is search.deleted
        ]
        return search_all(found, search)

    def _data(self, run: Run) -> dict[str, int]:
        versions = {f"data:{each.id}": each for each in self._tables.dataset_versions.values()}
        edges = [edge for edge in self._tables.edges.values() if edge.target == f"run:{run.id}"]
        used = [versions[e.source] for e in edges if e.role is Role.INPUT and e.source in versions]
        names = {each.dataset: self._tables.datasets[each.dataset].name for each in used}
        return {names[each.dataset]: each.number for each in sorted(used, key=lambda each: each.number)}

    def count(self, project: str) -> int:
        return len(self._newest_first(project))


class MemoryArtifacts:
    """`clew.core.contracts.ledger.Artifacts`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.artifacts

    def put(self, artifact: Artifact) -> None:
        self._rows[artifact.run, artifact.path] = artifact

    def get(self, run: str, path: str) -> Artifact:
        if (run, path) not in self._rows:
            raise NotFound("artifact", path, hint=f"clew runs show {run}")
        return self._rows[run, path]

    def remove(self, run: str, paths: Sequence[str]) -> None:
        for path in paths:
            self._rows.pop((run, path), None)

    def list(self, run: str, *, under: str = "") -> list[Artifact]:
        before = f"{under}/" if under else ""
        found = [each for each in self._rows.values() if each.run == run and each.path.startswith(before)]
        return sorted(found, key=lambda each: each.path)
