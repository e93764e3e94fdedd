"""Experiments, runs and the files that runs kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clew.core.judging import FoundRun
from clew.core.paging import Page
from clew.core.types.filter import Search
from clew.core.types.run import Artifact, Experiment, Run, RunStatus

__all__ = ["Artifacts", "Experiments", "Runs"]


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

    def among(self, project: str, runs: Sequence[str], *, status: RunStatus | None = None) -> set[str]:
        """Those of these runs that are the project's; of one status where one is given."""
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


class Artifacts(Protocol):
    """Named files of runs."""

    def put(self, artifact: Artifact) -> None: ...
    def list(self, run: str, *, under: str = "") -> list[Artifact]:
        """All of a run, or those below one of its folders, by path."""
        ...

    def get(self, run: str, path: str) -> Artifact: ...
    def remove(self, run: str, paths: Sequence[str]) -> None:
        """Forget files. Those that are not there are ignored."""
        ...
