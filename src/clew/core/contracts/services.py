"""Services: the verbs that user code acts through, one small Protocol per aggregate.

Capabilities implement them in place over `Stores`; over HTTP, a client implements the same ones. Bytes travel through
`clew.core.contracts.objects.Objects`, which has an HTTP implementation too: put bytes first, then name them here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from clew.core.clock import Clock
from clew.core.contracts.objects import Objects
from clew.core.ids import Digest, IdSource
from clew.core.judging import FoundRun
from clew.core.paging import Page
from clew.core.types.dataset import Dataset, DatasetVersion
from clew.core.types.edge import Edge, Node, Role
from clew.core.types.endpoint import AddedLabels, Endpoint
from clew.core.types.event import Event
from clew.core.types.gate import Approval, Findings, GateReport
from clew.core.types.job import Job, JobState
from clew.core.types.model import Alias, Model, ModelVersion
from clew.core.types.run import Artifact, Experiment, Run, RunStatus, Scalar
from clew.core.types.series import Sample, Series, SeriesBlock
from clew.core.types.step import StepEntry, StepRun

__all__ = [
    "AliasService",
    "DatasetService",
    "EndpointService",
    "EventService",
    "JobService",
    "LineageService",
    "ModelService",
    "RunService",
    "RunWriter",
    "Services",
    "StepService",
]


class RunWriter(Protocol):
    """What a process that trains says about its run.

    Every call is idempotent: a repeated one changes nothing. Writes to a run that has ended raise `Conflict`, but for
    its name, tags and experiment, and for points that were logged before it ended.
    """

    def create(self, run: Run, *, experiment: str) -> Run:
        """Add a run to the experiment of this name, which is made when there is none."""
        ...

    def get(self, id: str) -> Run:
        """A run by its id, an unambiguous prefix of at least four digits, or its name (the newest)."""
        ...

    def append(self, blocks: Sequence[SeriesBlock]) -> None:
        """Add blocks of points; a block whose source is there is skipped."""
        ...

    def describe(
        self,
        run: str,
        *,
        params: Mapping[str, Scalar] | None = None,
        tags: Mapping[str, str] | None = None,
        capture: Mapping[str, Digest] | None = None,
        commit: str | None = None,
        name: str | None = None,
        experiment: str | None = None,
    ) -> Run:
        """Merge into a run. `Conflict` when a parameter has another value already.

        `name` and `experiment` (by name, made when there is none) replace what the run had.
        """
        ...

    def add_artifact(self, artifact: Artifact) -> None:
        """Name an object as a file of the run; the same path replaces."""
        ...

    def link(self, run: str, node: Node, role: Role) -> None:
        """Say that a node flowed into the run (`Role.OUTPUT`: out of it)."""
        ...

    def finish(self, run: str, status: RunStatus, *, ended_us: int, reason: str = "") -> Run:
        """End a run; survives *power* together with all points appended before."""
        ...

    def resume(self, run: str) -> Run:
        """Let a run that has ended go on; one that runs is left alone."""
        ...

    def fork(self, run: str, *, of: str, step: float) -> Run:
        """Give a run the history of another one up to a step: its points, and parameters that it does not have."""
        ...

    def beat(self, run: str) -> Run:
        """Say that the process of a run lives, wherever it is; one that was believed to be lost runs again."""
        ...


class RunService(RunWriter, Protocol):
    """What is said about runs, and what is asked."""

    def summaries(self, runs: Sequence[str], *, keys: Sequence[str] = ()) -> list[Series]:
        """The summaries of the series of these runs; of these keys only where some are given."""
        ...

    def blocks(self, run: str, key: str) -> list[SeriesBlock]:
        """The blocks of one series, in order of arrival."""
        ...

    def sample(
        self,
        runs: Sequence[str],
        key: str,
        *,
        width: int = 1000,
        low: float | None = None,
        high: float | None = None,
    ) -> list[Sample]:
        """One series of several runs as a chart of `width` pixels shows it, from step `low` to `high` over one axis.

        Without a range, it is that of all of them. Runs without points in this series are left out.
        """
        ...

    def artifacts(self, run: str) -> list[Artifact]:
        """The artifacts of a run, by path."""
        ...

    def experiments(self) -> list[Experiment]:
        """All experiments, by name."""
        ...

    def list(self, *, experiment: str = "", parent: str = "", limit: int = 100, after: str = "") -> Page[Run]:
        """Runs, newest first; of one experiment, or those that a run started, where one is given."""
        ...

    def search(
        self,
        *,
        where: str = "",
        sort: str = "",
        experiment: str = "",
        limit: int = 50,
        after: str = "",
        metrics: Sequence[str] | None = None,
    ) -> Page[FoundRun]:
        """Runs that pass a filter, in an order, newest first among equals: docs/reference/filters.md.

        `after` is the `next` of the page before, of the same order. `metrics` names the summaries to bring along, all
        when None. `Unreadable` (an `Invalid`) when `where` or `sort` cannot be read, with the character where.
        """
        ...


class StepService(Protocol):
    """What a pipeline asks and tells about its steps."""

    def find(self, key: Digest) -> StepEntry | None:
        """The cache entry under a key."""
        ...

    def put(self, entries: Sequence[StepEntry], steps: Sequence[StepRun]) -> None:
        """Keep results and record what happened, together."""
        ...

    def newest(self, step: str, *, limit: int = 10) -> list[StepEntry]:
        """The newest entries of a step, to explain a miss by."""
        ...

    def of_run(self, run: str) -> list[StepRun]:
        """What a run did, by position."""
        ...


class DatasetService(Protocol):
    """Datasets and the commit of their versions; contents travel as objects."""

    def find(self, name: str) -> Dataset | None: ...
    def commit(self, version: DatasetVersion, *, parents: Sequence[Node] = ()) -> DatasetVersion:
        """Add a version whose objects are stored; makes the dataset when it is new.

        The newest version is returned instead when it has the same digest. `Conflict` when another writer was first.
        """
        ...

    def resolve(self, reference: str) -> DatasetVersion:
        """The version that `name@selector` means; `name` alone is `name@latest`."""
        ...

    def version(self, id: str) -> DatasetVersion:
        """A version by its id."""
        ...

    def versions(self, name: str, *, limit: int = 100, after: str = "") -> Page[DatasetVersion]: ...
    def list(self) -> list[Dataset]:
        """All datasets, by name."""
        ...


class ModelService(Protocol):
    """Models, their versions, and who stands for them. Packages travel as objects; nothing here reads a model."""

    def register(self, name: str, package: Digest, *, message: str = "") -> ModelVersion:
        """Make a stored package the next version of a model, which is made when it is new. Survives *power*.

        The newest version is returned instead when it is this very package.
        """
        ...

    def approve(self, reference: str, *, note: str = "") -> Approval:
        """Stand for a version, for exactly its package."""
        ...

    def approvals(self, version: ModelVersion) -> list[Approval]:
        """Who stands for a version, the newest first."""
        ...

    def find(self, name: str) -> Model | None: ...
    def resolve(self, reference: str) -> ModelVersion:
        """The version that `name@selector` means; `name` alone is `name@latest`."""
        ...

    def version(self, id: str) -> ModelVersion:
        """A version by its id."""
        ...

    def versions(self, name: str, *, limit: int = 100, after: str = "") -> Page[ModelVersion]: ...
    def aliases(self, name: str) -> list[Alias]:
        """The move that holds for each alias of a model, by alias."""
        ...

    def list(self) -> list[Model]:
        """All models, by name."""
        ...


class AliasService(Protocol):
    """Names that move over versions, through the gate, which judges where the ledger is."""

    def guarded(self, name: str) -> list[str]:
        """The names of a model that only a version which passes the gate may have."""
        ...

    def judge(self, reference: str, alias: str, findings: Findings | None = None) -> GateReport:
        """What the gate says of giving a name to a version; nothing is stored and nothing moves."""
        ...

    def promote(
        self,
        reference: str,
        alias: str,
        *,
        reason: str = "",
        expected: int | None = None,
        findings: Findings | None = None,
    ) -> Alias:
        """Give a name to a version, if the gate lets it: `GateRefused` otherwise. Survives *power*.

        `expected` is the number of the version that the caller believes to hold the name (0: nobody does); `Conflict`
        when it does not.
        """
        ...

    def rollback(self, name: str, alias: str, *, reason: str = "", expected: int | None = None) -> Alias:
        """Give a name back to the version that held it before. Survives *power*."""
        ...

    def remove(self, name: str, alias: str, *, reason: str = "") -> Alias:
        """Take a name away from the version that has it. Survives *power*. `Conflict` while an endpoint serves it."""
        ...

    def moves(self, name: str, alias: str) -> list[Alias]:
        """Every move of one alias, oldest first."""
        ...

    def report(self, digest: Digest) -> GateReport:
        """A stored report."""
        ...


class EventService(Protocol):
    """What changed."""

    def list(self, *, kind: str = "", subject: str = "", limit: int = 100, after: str = "") -> Page[Event]:
        """Events, newest first; `kind` is a whole kind or its noun."""
        ...

    def positions(self, ids: Sequence[str]) -> dict[str, int]:
        """The places of events in the chain, by id; those that are not sealed yet are left out."""
        ...


class LineageService(Protocol):
    """What flowed into what."""

    def up(self, start: Node, *, depth: int = 64) -> list[Edge]:
        """Every edge on the way back from a node, nearest first."""
        ...

    def down(self, start: Node, *, depth: int = 64) -> list[Edge]:
        """Every edge on the way forward from a node, nearest first."""
        ...

    def references(self, nodes: Sequence[Node]) -> dict[Node, str]:
        """`name@number` of the versions among some nodes; what has no reference is left out."""
        ...


class EndpointService(Protocol):
    """Endpoints, and the truth about what they decided."""

    def list(self) -> list[Endpoint]:
        """All endpoints, by name."""
        ...

    def add_labels(
        self, endpoint: str, file: Path, *, label: str, by_id: str = "", by_key: str = "", time_us: int = 0
    ) -> AddedLabels:
        """Add the labels of a file, all or none; how many were added, and fit no decision yet. Survives *power*.

        `label` is the column of the truth, `by_id` that of prediction ids, `by_key` that of the caller's keys, one of
        the two. `time_us` is since when they are known, now when it is 0. The same file again adds nothing.
        """
        ...


class JobService(Protocol):
    """Work that waits for workers."""

    def list(self, *, state: JobState | None = None, limit: int = 100) -> list[Job]:
        """Jobs, newest first; of one state, where one is given."""
        ...

    def cancel(self, id: str) -> Job:
        """Take a job that nobody does out of the queue. `Conflict` when a worker has it, or it has ended."""
        ...


class Services(Protocol):
    """A project, wherever it is: its services and objects, where time, ids and names come from, and a local folder."""

    @property
    def runs(self) -> RunService: ...
    @property
    def steps(self) -> StepService: ...
    @property
    def datasets(self) -> DatasetService: ...
    @property
    def models(self) -> ModelService: ...
    @property
    def aliases(self) -> AliasService: ...
    @property
    def events(self) -> EventService: ...
    @property
    def lineage(self) -> LineageService: ...
    @property
    def endpoints(self) -> EndpointService: ...
    @property
    def jobs(self) -> JobService: ...
    @property
    def objects(self) -> Objects: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ids(self) -> IdSource: ...
    @property
    def project(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def folder(self) -> Path: ...
