"""Services: the verbs that user code acts through, one small Protocol per aggregate.

Capabilities implement them in place over `Stores`; over HTTP, a client implements the same ones. Bytes travel through
`clew.core.contracts.objects.Objects`, which has an HTTP implementation too: put bytes first, then name them here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from clew.core.ids import Digest
from clew.core.paging import Page
from clew.core.types.dataset import Dataset, DatasetVersion
from clew.core.types.edge import Node, Role
from clew.core.types.run import Artifact, Experiment, Run, RunStatus, Scalar
from clew.core.types.series import Series, SeriesBlock
from clew.core.types.step import StepEntry, StepRun

__all__ = ["DatasetService", "RunService", "StepService"]


class RunService(Protocol):
    """What a process that trains says about its run.

    Every call is idempotent: a repeated one changes nothing. Writes to a run that has ended raise `Conflict`, but for
    points that were logged before it ended.
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

    def summaries(self, runs: Sequence[str], *, keys: Sequence[str] = ()) -> list[Series]:
        """The summaries of the series of these runs; of these keys only where some are given."""
        ...

    def blocks(self, run: str, key: str) -> list[SeriesBlock]:
        """The blocks of one series, in order of arrival."""
        ...

    def artifacts(self, run: str) -> list[Artifact]:
        """The artifacts of a run, by path."""
        ...

    def experiments(self) -> list[Experiment]:
        """All experiments, by name."""
        ...

    def list(self, *, experiment: str = "", limit: int = 100, after: str = "") -> Page[Run]:
        """Runs, newest first."""
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

    def versions(self, name: str, *, limit: int = 100, after: str = "") -> Page[DatasetVersion]: ...
    def list(self) -> list[Dataset]:
        """All datasets, by name."""
        ...
