"""The ledger in memory: for tests, and as the oracle of the SQL ledgers, with which it shares no code."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from clew.core.contracts.ledger import Durability
from clew.core.errors import Conflict, Exists, Invalid, NotFound
from clew.core.ids import Digest
from clew.core.judging import FoundRun
from clew.core.paging import Page
from clew.core.types.account import Member, Token, User
from clew.core.types.beat import Beat
from clew.core.types.dataset import Dataset, DatasetVersion, LogBatch
from clew.core.types.edge import Edge, Node, Role
from clew.core.types.endpoint import Alert, Endpoint, Trial, Window
from clew.core.types.event import ChainTail, Event, SealedEvent, chain_hash
from clew.core.types.filter import Search
from clew.core.types.job import Job, JobState
from clew.core.types.logged_model import LoggedModel
from clew.core.types.model import Alias, Model, ModelVersion
from clew.core.types.project import Project
from clew.core.types.run import DEFAULT_EXPERIMENT, Artifact, Experiment, Run, RunStatus
from clew.core.types.run_input import RunInput
from clew.core.types.series import FULL_BLOCK, Series, SeriesBlock
from clew.core.types.step import StepEntry, StepRun
from clew.store.ledger.memory_accounts import MemoryAccounts
from clew.store.ledger.memory_beats import MemoryBeats
from clew.store.ledger.memory_logged import MemoryLoggedModels, MemoryRunInputs
from clew.store.ledger.memory_mentions import MemoryMentions
from clew.store.ledger.memory_search import search_all

__all__ = ["MemoryLedger"]


@dataclass
class Tables:
    """Everything that is stored; a transaction works on a copy of the dictionaries."""

    users: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    members: dict[tuple[str, str], Member] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    dataset_versions: dict[tuple[str, int], DatasetVersion] = field(default_factory=dict)
    batches: dict[tuple[str, int], LogBatch] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    beats: dict[str, Beat] = field(default_factory=dict)
    blocks: dict[tuple[str, str, str], SeriesBlock] = field(default_factory=dict)
    merged: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    artifacts: dict[tuple[str, str], Artifact] = field(default_factory=dict)
    inputs: dict[tuple[str, str, str, str, str], RunInput] = field(default_factory=dict)
    logged_models: dict[str, LoggedModel] = field(default_factory=dict)
    entries: dict[tuple[str, str], StepEntry] = field(default_factory=dict)
    steps: dict[tuple[str, int], StepRun] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    model_versions: dict[tuple[str, int], ModelVersion] = field(default_factory=dict)
    moves: dict[tuple[str, str, int], Alias] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    windows: dict[tuple[str, int, str], Window] = field(default_factory=dict)
    trials: dict[str, Trial] = field(default_factory=dict)
    alerts: dict[tuple[str, str], Alert] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    waiting: dict[str, Event] = field(default_factory=dict)
    chain: dict[tuple[str, int], SealedEvent] = field(default_factory=dict)
    edges: dict[tuple[Node, Node, str, str], Edge] = field(default_factory=dict)

    def copy(self) -> Tables:
        """A copy whose dictionaries can change apart from these."""
        return Tables(**{each.name: dict(getattr(self, each.name)) for each in fields(self)})

    def view(self) -> Tables:
        """The same rows, where setting one is a `TypeError`."""
        views: dict[str, Any] = {each.name: MappingProxyType(getattr(self, each.name)) for each in fields(self)}
        return Tables(**views)


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def project(self) -> str: ...
    @property
    def name(self) -> str: ...


A = TypeVar("A")
K = TypeVar("K")
T = TypeVar("T", bound=_Named)
V = TypeVar("V", DatasetVersion, ModelVersion)


def _add(rows: dict[K, A], key: K, row: A) -> bool:
    """Add a row unless its key is there."""
    if key in rows:
        return False
    rows[key] = row
    return True


class NamedRows(Generic[T]):
    """Things that are unique by (project, name)."""

    def __init__(self, rows: dict[str, T], noun: str) -> None:
        self._rows, self._noun = rows, noun

    def add(self, thing: T) -> None:
        if thing.id in self._rows or self.find(thing.project, thing.name) is not None:
            raise Exists(self._noun, thing.name)
        self._rows[thing.id] = thing

    def put(self, thing: T) -> None:
        other = self.find(thing.project, thing.name)
        if other is not None and other.id != thing.id:
            raise Exists(self._noun, thing.name)
        self._rows[thing.id] = thing

    def get(self, id: str) -> T:
        if id not in self._rows:
            raise NotFound(self._noun, id)
        return self._rows[id]

    def find(self, project: str, name: str) -> T | None:
        return next((row for row in self._rows.values() if (row.project, row.name) == (project, name)), None)

    def list(self, project: str) -> list[T]:
        return sorted((row for row in self._rows.values() if row.project == project), key=lambda row: row.name)


def _page_of_versions(newest_first: list[V], *, limit: int, after: str) -> Page[V]:
    if after and not (after.isdecimal() and len(after) < 19):
        raise Invalid(f"{after!r} is no page token", hint="leave it out to start at the first page")
    rest = [version for version in newest_first if not after or version.number < int(after)]
    return Page(items=rest[:limit], next=str(rest[limit - 1].number) if len(rest) > limit else "")


class MemoryProjects:
    """`clew.core.contracts.ledger.Projects`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.projects

    def add(self, project: Project) -> None:
        if project.name in self._rows:
            raise Exists("project", project.name)
        self._rows[project.name] = project

    def find(self, name: str) -> Project | None:
        return self._rows.get(name)

    def get(self, name: str) -> Project:
        if name not in self._rows:
            raise NotFound("project", name)
        return self._rows[name]

    def list(self) -> list[Project]:
        return sorted(self._rows.values(), key=lambda project: project.name)


class MemoryDatasets(NamedRows[Dataset]):
    """`clew.core.contracts.ledger.Datasets`."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables.datasets, "dataset")
        self._versions = tables.dataset_versions

    def _newest_first(self, dataset: str) -> list[DatasetVersion]:
        found = [version for version in self._versions.values() if version.dataset == dataset]
        return sorted(found, key=lambda version: -version.number)

    def add_version(self, version: DatasetVersion) -> None:
        newest = self.newest(version.dataset)
        if version.number != (newest.number if newest else 0) + 1:
            raise Conflict(
                f"{version.reference} cannot be added: another writer added a version of {version.name!r} meanwhile",
                hint="repeat the command",
            )
        self._versions[version.dataset, version.number] = version

    def put_version(self, version: DatasetVersion) -> None:
        self._versions[version.dataset, version.number] = version

    def version(self, id: str) -> DatasetVersion:
        for version in self._versions.values():
            if version.id == id:
                return version
        raise NotFound("dataset version", id)

    def find_version(self, dataset: str, number: int) -> DatasetVersion | None:
        return self._versions.get((dataset, number))

    def newest(self, dataset: str, *, until_us: int | None = None) -> DatasetVersion | None:
        versions = self._newest_first(dataset)
        return next((each for each in versions if until_us is None or each.created_us <= until_us), None)

    def versions(self, dataset: str, *, limit: int = 100, after: str = "") -> Page[DatasetVersion]:
        return _page_of_versions(self._newest_first(dataset), limit=limit, after=after)


class MemoryLogs:
    """`clew.core.contracts.ledger.Logs`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.batches

    def append(self, batches: Sequence[LogBatch]) -> list[LogBatch]:
        added = []
        for batch in batches:
            if any(each.source == batch.source for each in self.list(batch.dataset)):
                continue
            placed = msgspec.structs.replace(batch, position=self.position(batch.dataset) + 1)
            self._rows[placed.dataset, placed.position] = placed
            added.append(placed)
        return added

    def between(self, dataset: str, low_us: int, high_us: int) -> list[LogBatch]:
        return [each for each in self.list(dataset) if each.time_low_us < high_us and each.time_high_us >= low_us]

    def holding(self, dataset: str, id: str) -> list[LogBatch]:
        return [each for each in self.list(dataset) if each.id_low <= id <= each.id_high]

    def drained(self, dataset: str, journal: str) -> int:
        found = [each for each in self.list(dataset) if each.source.startswith(f"{journal}@")]
        return max((each.source_end for each in found), default=0)

    def position(self, dataset: str) -> int:
        return max((position for owner, position in self._rows if owner == dataset), default=0)

    def rows(self, dataset: str) -> int:
        return sum(each.rows for each in self.list(dataset))

    def list(self, dataset: str, *, after: int = 0, until: int | None = None) -> list[LogBatch]:
        found = [each for each in self._rows.values() if each.dataset == dataset and each.position > after]
        kept = [each for each in found if until is None or each.position <= until]
        return sorted(kept, key=lambda each: each.position)


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
        other = self.find(experiment.project, experiment.name)
        if other is not None and other.id != experiment.id:
            raise Exists("experiment", experiment.name)
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
        return [run for run in alive if run.id.startswith(prefix) or run.name == prefix][:10]

    def among(self, project: str, runs: Sequence[str]) -> set[str]:
        return {run for run in runs if run in self._rows and self._rows[run].project == project}

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


class MemorySeriesBlocks:
    """`clew.core.contracts.ledger.SeriesBlocks`."""

    def __init__(self, tables: Tables) -> None:
        self._rows, self._merged = tables.blocks, tables.merged

    def append(self, blocks: Sequence[SeriesBlock]) -> int:
        before = len(self._rows)
        for block in blocks:
            if (block.run, block.key, block.source) not in self._merged:
                _add(self._rows, (block.run, block.key, block.source), block)
        return len(self._rows) - before

    def remove(self, run: str) -> None:
        for key in [key for key in self._rows if key[0] == run]:
            del self._rows[key]

    def crumbled(self, run: str) -> list[str]:
        whole = {each.key: each.count for each in self.summaries([run])}
        return [key for key, count in whole.items() if len(self.blocks(run, key)) > 2 * (count // FULL_BLOCK + 1)]

    def merge(self, run: str, key: str, sources: Sequence[str], blocks: Sequence[SeriesBlock]) -> bool:
        if [block.source for block in self.blocks(run, key)] != list(sources):
            return False
        for source in sources:
            self._merged[run, key, source] = True
            del self._rows[run, key, source]
        for block in blocks:
            self._rows[run, key, block.source] = block
        return True

    def blocks(self, run: str, key: str, *, after: int = 0, limit: int | None = None) -> list[SeriesBlock]:
        found = [block for block in self._rows.values() if (block.run, block.key) == (run, key)]
        return found[after:] if limit is None else found[after : after + limit]

    def summaries(self, runs: Sequence[str], *, keys: Sequence[str] = ()) -> list[Series]:
        wanted = {(block.run, block.key) for block in self._rows.values() if block.run in runs}
        return [_summary_of(self.blocks(run, key)) for run, key in sorted(wanted) if not keys or key in keys]


def _summary_of(blocks: list[SeriesBlock]) -> Series:
    def numbers(name: str) -> list[float]:
        values: list[float] = [getattr(block, name) for block in blocks]
        return [value for value in values if not math.isnan(value)] or [math.nan]

    last = max(range(len(blocks)), key=lambda i: (blocks[i].last_step, blocks[i].last_time_us, i))
    return Series(
        run=blocks[0].run,
        key=blocks[0].key,
        count=sum(block.count for block in blocks),
        nans=sum(block.nans for block in blocks),
        low=min(numbers("low")),
        high=max(numbers("high")),
        total=sum(numbers("total")),
        first=blocks[0].first,
        last=blocks[last].last,
        last_step=blocks[last].last_step,
        last_time_us=blocks[last].last_time_us,
    )


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

    def list(self, run: str) -> list[Artifact]:
        return sorted((each for each in self._rows.values() if each.run == run), key=lambda each: each.path)


class MemorySteps:
    """`clew.core.contracts.ledger.Steps`."""

    def __init__(self, tables: Tables) -> None:
        self._entries, self._steps = tables.entries, tables.steps

    def find(self, project: str, key: Digest) -> StepEntry | None:
        return self._entries.get((project, key))

    def put(self, entries: Sequence[StepEntry]) -> None:
        for entry in entries:
            _add(self._entries, (entry.project, entry.key), entry)

    def newest(self, project: str, step: str, *, limit: int = 10) -> list[StepEntry]:
        found = [entry for entry in self._entries.values() if (entry.project, entry.step) == (project, step)]
        return sorted(found, key=lambda entry: (-entry.created_us, entry.key))[:limit]

    def forget(self, run: str) -> None:
        for key in [key for key in self._steps if key[0] == run]:
            del self._steps[key]

    def record(self, steps: Sequence[StepRun]) -> None:
        for step in steps:
            self._steps[step.run, step.position] = step

    def of_run(self, run: str) -> list[StepRun]:
        return sorted((step for step in self._steps.values() if step.run == run), key=lambda step: step.position)


class MemoryModels(NamedRows[Model]):
    """`clew.core.contracts.ledger.Models`."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables.models, "model")
        self._versions, self._moves = tables.model_versions, tables.moves

    def put(self, model: Model) -> None:
        other = self.find(model.project, model.name)
        if other is not None and other.id != model.id:
            raise Exists("model", model.name)
        super().put(model)

    def put_version(self, version: ModelVersion) -> None:
        there = self._versions.get((version.model, version.number))
        if there is None or there.id != version.id:
            raise NotFound("model version", version.id)
        self._versions[version.model, version.number] = version

    def _newest_first(self, model: str) -> list[ModelVersion]:
        found = [version for version in self._versions.values() if version.model == model]
        return sorted(found, key=lambda version: -version.number)

    def add_version(self, version: ModelVersion) -> None:
        newest = self.newest(version.model)
        if version.number != (newest.number if newest else 0) + 1:
            raise Conflict(
                f"{version.reference} cannot be added: another writer added a version of {version.name!r} meanwhile",
                hint="register it again",
            )
        self._versions[version.model, version.number] = version

    def version(self, id: str) -> ModelVersion:
        for version in self._versions.values():
            if version.id == id:
                return version
        raise NotFound("model version", id)

    def find_version(self, model: str, number: int) -> ModelVersion | None:
        return self._versions.get((model, number))

    def newest(self, model: str) -> ModelVersion | None:
        return next(iter(self._newest_first(model)), None)

    def versions(self, model: str, *, limit: int = 100, after: str = "") -> Page[ModelVersion]:
        return _page_of_versions(self._newest_first(model), limit=limit, after=after)

    def move_alias(self, move: Alias) -> None:
        if move.position != len(self.moves(move.model, move.alias)) + 1:
            raise Conflict(f"alias {move.alias!r} was moved by somebody else meanwhile", hint="look at it and repeat")
        self._moves[move.model, move.alias, move.position] = move

    def aliases(self, model: str) -> list[Alias]:
        names = sorted({move.alias for move in self._moves.values() if move.model == model})
        return [move for move in (self.moves(model, name)[-1] for name in names) if move.number]

    def move(self, model: str, alias: str, position: int) -> Alias:
        if (model, alias, position) not in self._moves:
            raise NotFound("move", f"{alias}/{position}")
        return self._moves[model, alias, position]

    def moves(self, model: str, alias: str) -> list[Alias]:
        found = [move for move in self._moves.values() if (move.model, move.alias) == (model, alias)]
        return sorted(found, key=lambda move: move.position)

    def list(self, project: str) -> list[Model]:
        return [model for model in super().list(project) if not model.deleted_us]


class MemoryWindows:
    """`clew.core.contracts.ledger.Windows`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.windows

    def put(self, window: Window) -> None:
        self._rows[window.endpoint, window.start_us, window.version] = window

    def find(self, endpoint: str, version: str, start_us: int) -> Window | None:
        return self._rows.get((endpoint, start_us, version))

    def list(self, endpoint: str, *, low_us: int = 0, high_us: int | None = None, version: str = "") -> list[Window]:
        found = [
            window
            for window in self._rows.values()
            if window.endpoint == endpoint
            and window.start_us >= low_us
            and (high_us is None or window.start_us < high_us)
            and (not version or window.version == version)
        ]
        return sorted(found, key=lambda window: (window.start_us, window.version))


class MemoryTrials:
    """`clew.core.contracts.ledger.Trials`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.trials

    def put(self, trial: Trial) -> None:
        self._rows[trial.id] = trial

    def get(self, id: str) -> Trial:
        if id not in self._rows:
            raise NotFound("trial", id)
        return self._rows[id]

    def list(self, endpoint: str) -> list[Trial]:
        return sorted((trial for trial in self._rows.values() if trial.endpoint == endpoint), key=lambda t: t.id)


class MemoryAlerts:
    """`clew.core.contracts.ledger.Alerts`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.alerts

    def raise_(self, alert: Alert) -> bool:
        return _add(self._rows, (alert.endpoint, alert.key), alert)

    def list(self, endpoint: str, *, low_us: int = 0, limit: int = 100) -> list[Alert]:
        found = [alert for alert in self._rows.values() if alert.endpoint == endpoint and alert.at_us >= low_us]
        return sorted(found, key=lambda alert: (alert.at_us, alert.id), reverse=True)[:limit]


class MemoryJobs:
    """`clew.core.contracts.ledger.Jobs`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.jobs

    def _unfinished(self, project: str) -> list[Job]:
        states = (JobState.QUEUED, JobState.LEASED)
        return [job for job in self._rows.values() if job.project == project and job.state in states]

    def queue(self, job: Job) -> bool:
        if any(each.key == job.key for each in self._unfinished(job.project)):
            return False
        self._rows[job.id] = job
        return True

    def due(self, project: str, *, now_us: int) -> bool:
        return bool(self._due(project, now_us))

    def _due(self, project: str, now_us: int) -> list[Job]:
        return [
            job
            for job in self._unfinished(project)
            if job.due_us <= now_us and (job.state is JobState.QUEUED or job.lease_until_us <= now_us)
        ]

    def lease(self, project: str, *, holder: str, now_us: int, until_us: int) -> Job | None:
        due = self._due(project, now_us)
        if not due:
            return None
        job = min(due, key=lambda each: (each.due_us, each.id))
        taken = msgspec.structs.replace(
            job,
            state=JobState.LEASED,
            holder=holder,
            lease_until_us=until_us,
            fence=job.fence + 1,
            attempts=job.attempts + 1,
        )
        self._rows[job.id] = taken
        return taken

    def renew(self, job: Job, *, until_us: int) -> None:
        self.finish(msgspec.structs.replace(job, lease_until_us=until_us))

    def finish(self, job: Job) -> None:
        stored = self._rows.get(job.id)
        if stored is None or stored.fence != job.fence or stored not in self._unfinished(job.project):
            raise Conflict(f"job {job.id} ({job.kind}) is no longer held by {job.holder!r}: its lease ran out")
        self._rows[job.id] = job

    def get(self, id: str) -> Job:
        if id not in self._rows:
            raise NotFound("job", id)
        return self._rows[id]

    def list(self, project: str, *, state: JobState | None = None, limit: int = 100) -> list[Job]:
        found = [job for job in self._rows.values() if job.project == project and state in (None, job.state)]
        return sorted(found, key=lambda job: job.id, reverse=True)[:limit]


class MemoryEvents:
    """`clew.core.contracts.ledger.Events`."""

    def __init__(self, tables: Tables) -> None:
        self._rows, self._waiting, self._chain = tables.events, tables.waiting, tables.chain

    def add(self, event: Event) -> None:
        self._rows[event.id] = self._waiting[event.id] = event

    def count(self, project: str) -> int:
        return sum(event.project == project for event in self._rows.values())

    def seal(self, project: str, *, limit: int = 1000) -> int:
        found = self.waiting(project, limit=limit)
        for event in found:
            before, document = self.tail(project), msgspec.json.encode(event).decode()
            position = before.position + 1
            self._chain[project, position] = SealedEvent(
                position=position,
                hash=chain_hash(position, before.hash, document),
                id=event.id,
                project=project,
                kind=event.kind,
                subject=event.subject,
                document=document,
            )
            del self._waiting[event.id]
        return len(found)

    def tail(self, project: str) -> ChainTail:
        last = max((position for owner, position in self._chain if owner == project), default=0)
        return ChainTail(last, self._chain[project, last].hash) if last else ChainTail()

    def sealed(self, project: str, *, after: int = 0, limit: int = 1000) -> list[SealedEvent]:
        found = [event for event in self._chain.values() if event.project == project and event.position > after]
        return sorted(found, key=lambda event: event.position)[:limit]

    def waiting(self, project: str, *, limit: int = 1000) -> list[Event]:
        return [event for event in self._waiting.values() if event.project == project][:limit]

    def positions(self, project: str, ids: Sequence[str]) -> dict[str, int]:
        chained = (event for event in self._chain.values() if event.project == project)
        return {event.id: event.position for event in chained if event.id in ids}

    def list(
        self, project: str, *, subject: str = "", kind: str = "", limit: int = 100, after: str = ""
    ) -> Page[Event]:
        found = [
            event
            for event in sorted(self._rows.values(), key=lambda event: event.id, reverse=True)
            if event.project == project
            and (not subject or event.subject == subject)
            and (not kind or event.kind == kind or event.kind.startswith(f"{kind}."))
            and (not after or event.id < after)
        ]
        return Page(items=found[:limit], next=found[limit - 1].id if len(found) > limit else "")


class MemoryEdges:
    """`clew.core.contracts.ledger.Edges`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.edges

    def add(self, edges: Iterable[Edge]) -> None:
        for edge in edges:
            _add(self._rows, (edge.source, edge.target, edge.role, edge.run), edge)

    def up(self, start: Node, *, depth: int = 64) -> list[Edge]:
        return self._walk(start, depth, near="target", far="source")

    def down(self, start: Node, *, depth: int = 64) -> list[Edge]:
        return self._walk(start, depth, near="source", far="target")

    def _walk(self, start: Node, depth: int, *, near: str, far: str) -> list[Edge]:
        seen, level = {start}, {start}
        found: list[Edge] = []
        order = sorted(
            self._rows.values(), key=lambda edge: (edge.at_us, edge.source, edge.target, edge.role, edge.run)
        )
        for _ in range(depth):
            reached = [edge for edge in order if getattr(edge, near) in level]
            found += reached
            level = {getattr(edge, far) for edge in reached} - seen
            seen |= level
        return found


class MemoryTransaction:
    """`clew.core.contracts.ledger.Transaction`."""

    def __init__(self, tables: Tables) -> None:
        self.accounts = MemoryAccounts(tables.users, tables.tokens, tables.members)
        self.projects = MemoryProjects(tables)
        self.datasets = MemoryDatasets(tables)
        self.logs = MemoryLogs(tables)
        self.experiments = MemoryExperiments(tables)
        self.runs = MemoryRuns(tables)
        self.beats = MemoryBeats(tables.beats)
        self.series = MemorySeriesBlocks(tables)
        self.artifacts = MemoryArtifacts(tables)
        self.inputs = MemoryRunInputs(tables.inputs)
        self.logged_models = MemoryLoggedModels(tables.logged_models)
        self.steps = MemorySteps(tables)
        self.models = MemoryModels(tables)
        self.endpoints: NamedRows[Endpoint] = NamedRows(tables.endpoints, "endpoint")
        self.windows = MemoryWindows(tables)
        self.trials = MemoryTrials(tables)
        self.alerts = MemoryAlerts(tables)
        self.jobs = MemoryJobs(tables)
        self.events = MemoryEvents(tables)
        self.edges = MemoryEdges(tables)
        self.mentions = MemoryMentions(tables)

    def disagreements(self) -> list[tuple[str, str]]:
        return []  # there is nothing beside what is read


class MemoryLedger:
    """`clew.core.contracts.ledger.Ledger` without a file; gone with the process."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._writer = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[MemoryTransaction]:
        yield MemoryTransaction(self._tables.view())

    @contextmanager
    def write(
        self,
        durability: Durability = Durability.POWER,  # noqa: ARG002
        *,
        within: Node = "",  # noqa: ARG002
    ) -> Iterator[MemoryTransaction]:
        with self._writer:
            working = self._tables.copy()
            yield MemoryTransaction(working)
            self._tables = working

    def close(self) -> None:
        """Nothing to let go of."""
