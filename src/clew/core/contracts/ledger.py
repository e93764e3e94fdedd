"""The ledger: rows, in transactions, one small repository per aggregate. Design: docs/design/ledger.md.

Stores are embedded or server side only. What user code acts through are the services
(`clew.core.contracts.services`), which capabilities implement over a ledger and a client implements over HTTP.

Verbs: `get` raises `NotFound`, `find` may return None, `list` pages, newest first unless it says otherwise, `add`
makes something new (`Exists` when its unique name is taken), `put` is idempotent and replaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol

from clew.core.ids import Digest
from clew.core.judging import FoundRun
from clew.core.paging import Page
from clew.core.types.account import Member, Token, User
from clew.core.types.beat import Beat
from clew.core.types.dataset import Dataset, DatasetVersion, LogBatch
from clew.core.types.edge import Edge, Node
from clew.core.types.endpoint import Alert, Endpoint, Trial, Window
from clew.core.types.event import ChainTail, Event, SealedEvent
from clew.core.types.filter import Search
from clew.core.types.job import Job, JobState
from clew.core.types.logged_model import LoggedModel
from clew.core.types.model import Alias, Model, ModelVersion
from clew.core.types.project import Project
from clew.core.types.run import Artifact, Experiment, Run, RunStatus
from clew.core.types.run_input import RunInput
from clew.core.types.series import Series, SeriesBlock
from clew.core.types.step import StepEntry, StepRun

__all__ = [
    "Accounts",
    "Alerts",
    "Artifacts",
    "Beats",
    "Datasets",
    "Durability",
    "Edges",
    "Endpoints",
    "Events",
    "Experiments",
    "Jobs",
    "Ledger",
    "LoggedModels",
    "Logs",
    "Mentions",
    "Models",
    "Projects",
    "RunInputs",
    "Runs",
    "SeriesBlocks",
    "Steps",
    "Transaction",
    "Trials",
    "Windows",
]


class Durability(StrEnum):
    """What a committed transaction survives (docs/design/failures.md)."""

    KILL = "kill"
    POWER = "power"


class Accounts(Protocol):
    """Users, their tokens, and their roles in projects."""

    def add_user(self, user: User) -> None: ...
    def put_user(self, user: User) -> None:
        """Replace the user of the same id; its name stays."""
        ...

    def find_user(self, name: str) -> User | None: ...
    def get_user(self, id: str) -> User: ...
    def users(self) -> list[User]:
        """All of them, by name."""
        ...

    def put_token(self, token: Token) -> None: ...
    def find_token(self, hash: str) -> Token | None:
        """The token whose secret has this digest, also one that is revoked or over."""
        ...

    def tokens(self, user: str) -> list[Token]:
        """All of a user, oldest first."""
        ...

    def put_member(self, member: Member) -> None: ...
    def remove_member(self, project: str, user: str) -> bool:
        """False when there was none."""
        ...

    def find_member(self, project: str, user: str) -> Member | None: ...
    def members(self, project: str) -> list[Member]:
        """All of a project, by user."""
        ...


class Projects(Protocol):
    """Projects by name."""

    def add(self, project: Project) -> None: ...
    def get(self, name: str) -> Project: ...
    def find(self, name: str) -> Project | None: ...
    def list(self) -> list[Project]: ...


class Datasets(Protocol):
    """Datasets of kind files and table, and their versions."""

    def add(self, dataset: Dataset) -> None: ...
    def find(self, project: str, name: str) -> Dataset | None: ...
    def get(self, id: str) -> Dataset: ...
    def add_version(self, version: DatasetVersion) -> None:
        """`Conflict` unless `number` is one more than the newest: another writer was first."""
        ...

    def put_version(self, version: DatasetVersion) -> None:
        """Replace the version of the same dataset and number."""
        ...

    def version(self, id: str) -> DatasetVersion:
        """A version by its id."""
        ...

    def find_version(self, dataset: str, number: int) -> DatasetVersion | None: ...
    def newest(self, dataset: str, *, until_us: int | None = None) -> DatasetVersion | None:
        """The newest version, or the newest one created at `until_us` or before."""
        ...

    def versions(self, dataset: str, *, limit: int = 100, after: str = "") -> Page[DatasetVersion]: ...
    def list(self, project: str) -> list[Dataset]:
        """All of them, by name."""
        ...


class Logs(Protocol):
    """Batches of datasets of kind log."""

    def append(self, batches: Sequence[LogBatch]) -> list[LogBatch]:
        """Add batches, giving them the next positions; those whose source is there already are skipped.

        `position` of what is handed in is ignored. Returns those that were added, in the order of `batches`, with
        their positions.
        """
        ...

    def between(self, dataset: str, low_us: int, high_us: int) -> list[LogBatch]:
        """Batches that may hold rows with `low_us ≤ time < high_us`, by position."""
        ...

    def holding(self, dataset: str, id: str) -> list[LogBatch]:
        """Batches whose id range includes `id`."""
        ...

    def drained(self, dataset: str, journal: str) -> int:
        """The offset up to which a journal is in the log: the greatest `source_end` of sources `journal@…`, or 0."""
        ...

    def position(self, dataset: str) -> int:
        """The last position; 0 for an empty log."""
        ...

    def rows(self, dataset: str) -> int:
        """Rows over all batches."""
        ...

    def list(self, dataset: str, *, after: int = 0, until: int | None = None) -> list[LogBatch]:
        """Batches by position, those behind `after` up to and including `until`."""
        ...


class Experiments(Protocol):
    """Experiments by name, and by number."""

    def add(self, experiment: Experiment) -> Experiment:
        """Add an experiment, which gets a number: 0 for the first `default`, else one more than the greatest."""
        ...

    def put(self, experiment: Experiment) -> None:
        """Replace the experiment of the same id; its number stays. `Exists` when another one has its name."""
        ...

    def find(self, project: str, name: str) -> Experiment | None: ...
    def find_number(self, project: str, number: int) -> Experiment | None: ...
    def get(self, id: str) -> Experiment: ...
    def list(self, project: str) -> list[Experiment]:
        """All of them by name, those in the trash too."""
        ...


class Runs(Protocol):
    """Runs."""

    def add(self, run: Run) -> None: ...
    def put(self, run: Run) -> None:
        """Replace the run of the same id."""
        ...

    def get(self, id: str) -> Run: ...
    def find(self, project: str, prefix: str) -> list[Run]:
        """Up to ten runs whose id starts with `prefix`, or whose name is `prefix`, newest first; none of the trash."""
        ...

    def among(self, project: str, runs: Sequence[str]) -> set[str]:
        """Those of these runs that are the project's."""
        ...

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
        """Runs outside of the trash; `deleted` asks for those in it, None for both."""
        ...

    def search(self, project: str, search: Search) -> Page[FoundRun]:
        """Runs that pass a filter, in an order, the newest first among equals: docs/design/search.md.

        `Invalid` when `after` is no cursor of this order.
        """
        ...

    def count(self, project: str) -> int: ...


class Beats(Protocol):
    """Signs of life of running runs."""

    def add(self, run: str, project: str, *, at_us: int) -> None:
        """Count one more."""
        ...

    def list(self, project: str) -> list[Beat]:
        """The runs of a project that have given any, by run."""
        ...

    def remove(self, run: str) -> None:
        """No more are expected."""
        ...


class SeriesBlocks(Protocol):
    """Metrics of runs, as blocks of points."""

    def append(self, blocks: Sequence[SeriesBlock]) -> int:
        """Add blocks behind those that are there; a block whose (run, key, source) is there is skipped.

        Returns how many were added. The summaries of the series change in the same transaction.
        """
        ...

    def remove(self, run: str) -> None:
        """Forget all series of a run."""
        ...

    def summaries(self, runs: Sequence[str], *, keys: Sequence[str] = ()) -> list[Series]:
        """The summaries of the series of these runs, by run and key; of these keys only where some are given."""
        ...

    def crumbled(self, run: str) -> list[str]:
        """The keys of a run's series that have more than twice the blocks that their points need."""
        ...

    def merge(self, run: str, key: str, sources: Sequence[str], blocks: Sequence[SeriesBlock]) -> bool:
        """Replace the blocks of a series by these, which hold the same points in the same order.

        False, and nothing changes, unless its blocks are those of these sources. The sources stay known: a block of
        one is skipped as before. The summary stays as it is.
        """
        ...

    def blocks(self, run: str, key: str, *, after: int = 0, limit: int | None = None) -> list[SeriesBlock]:
        """The blocks of one series in order of arrival: up to `limit` behind the first `after`."""
        ...


class Artifacts(Protocol):
    """Named files of runs."""

    def put(self, artifact: Artifact) -> None: ...
    def list(self, run: str) -> list[Artifact]:
        """All of a run, by path."""
        ...

    def get(self, run: str, path: str) -> Artifact: ...
    def remove(self, run: str, paths: Sequence[str]) -> None:
        """Forget files. Those that are not there are ignored."""
        ...


class RunInputs(Protocol):
    """What runs say that they used or made."""

    def put(self, inputs: Sequence[RunInput]) -> None:
        """Add or replace, by run, role, name, digest and model."""
        ...

    def list(self, runs: Sequence[str]) -> list[RunInput]:
        """Those of these runs, by run, role, name, digest and model."""
        ...


class LoggedModels(Protocol):
    """Models as runs logged them."""

    def add(self, model: LoggedModel) -> None: ...
    def put(self, model: LoggedModel) -> None:
        """Replace the logged model of the same id."""
        ...

    def get(self, id: str) -> LoggedModel: ...
    def list(self, project: str, *, experiments: Sequence[str] = (), run: str = "") -> list[LoggedModel]:
        """Newest first, those in the trash too; of these experiments or this run only where some are given."""
        ...


class Steps(Protocol):
    """The step cache, and what runs did."""

    def find(self, project: str, key: Digest) -> StepEntry | None:
        """The cache entry under a key."""
        ...

    def put(self, entries: Sequence[StepEntry]) -> None:
        """Add entries; one whose key is there stays as it is."""
        ...

    def newest(self, project: str, step: str, *, limit: int = 10) -> list[StepEntry]:
        """The newest cache entries of a step."""
        ...

    def forget(self, run: str) -> None:
        """Forget what a run did; what the cache keeps stays."""
        ...

    def record(self, steps: Sequence[StepRun]) -> None:
        """Add what a run did; (run, position) that is there is replaced."""
        ...

    def of_run(self, run: str) -> list[StepRun]:
        """The steps of a run, by position."""
        ...


class Models(Protocol):
    """Models, their versions, and their aliases."""

    def add(self, model: Model) -> None: ...
    def put(self, model: Model) -> None:
        """Replace the model of the same id. `Exists` when another one has its name."""
        ...

    def find(self, project: str, name: str) -> Model | None: ...
    def get(self, id: str) -> Model: ...
    def add_version(self, version: ModelVersion) -> None:
        """`Conflict` unless `number` is one more than the newest."""
        ...

    def put_version(self, version: ModelVersion) -> None:
        """Replace the version of the same model and number."""
        ...

    def version(self, id: str) -> ModelVersion: ...
    def find_version(self, model: str, number: int) -> ModelVersion | None: ...
    def newest(self, model: str) -> ModelVersion | None:
        """The version of the greatest number, also where it was deleted."""
        ...

    def versions(self, model: str, *, limit: int = 100, after: str = "") -> Page[ModelVersion]: ...
    def move_alias(self, move: Alias) -> None:
        """`Conflict` unless `position` is one more than the last move of this alias (1 for the first)."""
        ...

    def aliases(self, model: str) -> list[Alias]:
        """The move that holds for each alias, by alias; those that nobody holds are left out."""
        ...

    def move(self, model: str, alias: str, position: int) -> Alias:
        """One move of an alias."""
        ...

    def moves(self, model: str, alias: str) -> list[Alias]:
        """Every move of one alias, oldest first."""
        ...

    def list(self, project: str) -> list[Model]:
        """All of them by name, but for those that were deleted."""
        ...


class Endpoints(Protocol):
    """Endpoints by name."""

    def add(self, endpoint: Endpoint) -> None: ...
    def put(self, endpoint: Endpoint) -> None:
        """Add an endpoint, or replace the one of the same id. `Exists` when another one has its name."""
        ...

    def find(self, project: str, name: str) -> Endpoint | None: ...
    def get(self, id: str) -> Endpoint: ...
    def list(self, project: str) -> list[Endpoint]: ...


class Windows(Protocol):
    """What monitors know, by endpoint, version and time."""

    def put(self, window: Window) -> None:
        """Replace the window of the same endpoint, version and start."""
        ...

    def find(self, endpoint: str, version: str, start_us: int) -> Window | None: ...
    def list(self, endpoint: str, *, low_us: int = 0, high_us: int | None = None, version: str = "") -> list[Window]:
        """Windows that start within `[low_us, high_us)`, oldest first."""
        ...


class Trials(Protocol):
    """Challengers against champions."""

    def put(self, trial: Trial) -> None: ...
    def get(self, id: str) -> Trial: ...
    def list(self, endpoint: str) -> list[Trial]:
        """All of an endpoint, oldest first."""
        ...


class Alerts(Protocol):
    """What monitors found."""

    def raise_(self, alert: Alert) -> bool:
        """Add an alert; False when this endpoint has one with the same key."""
        ...

    def list(self, endpoint: str, *, low_us: int = 0, limit: int = 100) -> list[Alert]:
        """Alerts at `low_us` or later, newest first."""
        ...


class Jobs(Protocol):
    """Work under leases."""

    def queue(self, job: Job) -> bool:
        """Add a job; False when an unfinished one of the project has the same key."""
        ...

    def due(self, project: str, *, now_us: int) -> bool:
        """Whether `lease` would find a job; takes no lock."""
        ...

    def lease(self, project: str, *, holder: str, now_us: int, until_us: int) -> Job | None:
        """Take the job that is due longest: queued, or leased beyond its time. Its fence grows by one."""
        ...

    def renew(self, job: Job, *, until_us: int) -> None:
        """Hold on to a lease. `Conflict` when its fence is old."""
        ...

    def finish(self, job: Job) -> None:
        """Store the final state. `Conflict` when its fence is old: another worker has taken over."""
        ...

    def get(self, id: str) -> Job: ...
    def list(self, project: str, *, state: JobState | None = None, limit: int = 100) -> list[Job]: ...


class Events(Protocol):
    """The record of everything that changed."""

    def add(self, event: Event) -> None: ...
    def count(self, project: str) -> int: ...
    def seal(self, project: str, *, limit: int = 1000) -> int:
        """Put up to `limit` events that wait into the chain, in the order in which they arrived.

        Returns how many that were. Call it in a block `within="chain:PROJECT"`, so that sealers queue and the chain
        never forks. An event that becomes visible late is sealed late and never left out. `Corrupt` when there are
        events behind the tail.
        """
        ...

    def tail(self, project: str) -> ChainTail:
        """The end of the chain."""
        ...

    def sealed(self, project: str, *, after: int = 0, limit: int = 1000) -> list[SealedEvent]:
        """Events of the chain behind the position `after`, in order."""
        ...

    def waiting(self, project: str, *, limit: int = 1000) -> list[Event]:
        """Events that are not in the chain yet, in the order in which they arrived."""
        ...

    def positions(self, project: str, ids: Sequence[str]) -> dict[str, int]:
        """The sequence numbers of events of a project, by id; those that wait are left out."""
        ...

    def list(
        self, project: str, *, subject: str = "", kind: str = "", limit: int = 100, after: str = ""
    ) -> Page[Event]:
        """Newest first; `kind` is a whole kind or its noun."""
        ...


class Edges(Protocol):
    """Lineage."""

    def add(self, edges: Iterable[Edge]) -> None:
        """Add edges; (source, target, role, run) that is there stays."""
        ...

    def up(self, start: Node, *, depth: int = 64) -> list[Edge]:
        """Every edge on the way back from a node: what it came from. Nearest first."""
        ...

    def down(self, start: Node, *, depth: int = 64) -> list[Edge]:
        """Every edge on the way forward from a node: what came of it. Nearest first."""
        ...


class Mentions(Protocol):
    """What rows of all projects may name, for the collector of objects."""

    def list(self) -> Iterable[tuple[str, Digest]]:
        """Every word of 64 hex digits in any row, with the name of its table; repeated, in no order.

        Left out are the lineage, rows that were purged, and events that tell of rows that can be removed.
        """
        ...


class Transaction(Protocol):
    """One repository per aggregate, all in one transaction."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def projects(self) -> Projects: ...
    @property
    def datasets(self) -> Datasets: ...
    @property
    def logs(self) -> Logs: ...
    @property
    def experiments(self) -> Experiments: ...
    @property
    def runs(self) -> Runs: ...
    @property
    def beats(self) -> Beats: ...
    @property
    def series(self) -> SeriesBlocks: ...
    @property
    def artifacts(self) -> Artifacts: ...
    @property
    def inputs(self) -> RunInputs: ...
    @property
    def logged_models(self) -> LoggedModels: ...
    @property
    def steps(self) -> Steps: ...
    @property
    def models(self) -> Models: ...
    @property
    def endpoints(self) -> Endpoints: ...
    @property
    def windows(self) -> Windows: ...
    @property
    def trials(self) -> Trials: ...
    @property
    def alerts(self) -> Alerts: ...
    @property
    def jobs(self) -> Jobs: ...
    @property
    def events(self) -> Events: ...
    @property
    def edges(self) -> Edges: ...
    @property
    def mentions(self) -> Mentions: ...
    def disagreements(self) -> Iterable[tuple[str, str]]:
        """Rows that say one thing to who looks them up and another to who reads them: their names, and what differs."""
        ...


class Ledger(Protocol):
    """A unit of work over all repositories.

    Threads and processes may share one ledger; each `with` block belongs to the thread that opened it. Reads see one
    consistent state. Writers of a project queue, so that what a block has read holds until it is committed: a write
    block is short, does no I/O of its own and never spans a network call. An exception in the block rolls everything
    back. Blocks do not nest. Texts are ordered by code point.

    Errors: `Unavailable` when the database is locked for too long, full or gone; `Corrupt` when it is damaged;
    `Invalid` when it was made by a newer clew.
    """

    def read(self) -> AbstractContextManager[Transaction]:
        """A read-only transaction; writing in it is an error of the caller, a `TypeError`, and changes nothing."""
        ...

    def write(
        self, durability: Durability = Durability.POWER, *, within: Node = ""
    ) -> AbstractContextManager[Transaction]:
        """A transaction that is committed at the end of the block.

        Args:
            durability: what it survives.
            within: the node (`run:ID`) whose rows are all that the block reads and changes, beside edges and events
                that it adds. It need not wait for blocks within other nodes then. Leave it out where a block also
                looks at anything else.
        """
        ...

    def close(self) -> None:
        """Let go of connections. Closing twice is fine."""
        ...
