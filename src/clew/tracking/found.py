"""Runs that were found, as user code holds them: `clew.runs(where="metric.auc > 0.7")`. Not the search (`search`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from clew.core.contracts.objects import Objects
from clew.core.contracts.services import RunService
from clew.core.extras import require
from clew.core.judging import FoundRun
from clew.core.types.run import Artifact, Run, RunStatus, Scalar
from clew.core.types.series import Sample
from clew.tracking.logged import logged_of
from clew.tracking.series import Points, join, points_of
from clew.tracking.where import Field, parse_field

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FoundSeries", "LoggedObject", "RunList", "RunView", "find_runs"]

_PAGE = 1000


def find_runs(
    runs: RunService, objects: Objects, *, where: str = "", sort: str = "", experiment: str = "", limit: int | None
) -> RunList:
    """Runs that pass a filter, in an order, at most `limit`; see `clew.runs`."""
    found: list[RunView] = []
    for one in each_found(runs, where=where, sort=sort, experiment=experiment, limit=limit):
        found.append(RunView(one, runs, objects))
    return RunList(found)


def each_found(
    runs: RunService, *, where: str = "", sort: str = "", experiment: str = "", limit: int | None
) -> Iterator[FoundRun]:
    """The same, one after the other, page by page."""
    after, left = "", limit
    while left is None or left > 0:
        size = _PAGE if left is None else min(left, _PAGE)
        page = runs.search(where=where, sort=sort, experiment=experiment, limit=size, after=after)
        yield from page.items
        after, left = page.next, None if left is None else left - len(page.items)
        if not after:
            return


class LoggedObject(NamedTuple):
    """What a run showed at a step."""

    artifact: Artifact
    objects: Objects

    @property
    def step(self) -> float:
        """Its step."""
        return self.artifact.step or 0.0

    @property
    def form(self) -> str:
        """image, figure, table, histogram, audio, text or html."""
        return self.artifact.form

    def bytes(self) -> bytes:
        """What shows it, of `artifact.media_type`."""
        return self.objects.get(self.artifact.digest)


class FoundSeries:
    """One metric of a run."""

    def __init__(self, run: str, key: str, runs: RunService) -> None:
        self.run, self.key, self._runs = run, key, runs

    def points(self) -> Points:
        """All points in order of arrival, as arrays."""
        return join(points_of(block) for block in self._runs.blocks(self.run, self.key))

    def sample(self, width: int = 1000, *, low: float | None = None, high: float | None = None) -> Sample | None:
        """What a chart of this width shows, from step `low` to `high`; None where there are no points at all."""
        return next(iter(self._runs.sample([self.run], self.key, width=width, low=low, high=high)), None)

    def frame(self) -> pl.DataFrame:
        """All points in order of arrival, as a polars frame of step, time and value."""
        polars = require("polars")
        steps, times, values = self.points()
        frame: pl.DataFrame = polars.DataFrame(
            {"step": steps, "time": polars.Series(times).cast(polars.Datetime("us", "UTC")), "value": values}
        )
        return frame


class RunView:
    """A run as it was when it was found; series and objects are read when they are asked for."""

    def __init__(self, found: FoundRun, runs: RunService, objects: Objects) -> None:
        self.found, self._runs, self._objects = found, runs, objects

    @property
    def info(self) -> Run:
        """All that the ledger holds of it."""
        return self.found.run

    @property
    def id(self) -> str:
        """Its id."""
        return self.found.run.id

    @property
    def name(self) -> str:
        """Its name."""
        return self.found.run.name

    @property
    def experiment(self) -> str:
        """The name of its experiment."""
        return self.found.experiment

    @property
    def status(self) -> RunStatus:
        """Where it is in its life."""
        return self.found.run.status

    @property
    def params(self) -> dict[str, Scalar]:
        """Its parameters."""
        return self.found.run.params

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return self.found.run.tags

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each of its metrics."""
        return {key: series.last for key, series in self.found.metrics.items()}

    def series(self, key: str) -> FoundSeries:
        """One of its metrics."""
        return FoundSeries(self.id, key, self._runs)

    def artifacts(self) -> list[Artifact]:
        """Its files, by path."""
        return self._runs.artifacts(self.id)

    def objects(self, key: str = "") -> list[LoggedObject]:
        """What it logged at its steps, by key and step; of one key where it is given."""
        return [LoggedObject(each, self._objects) for each in logged_of(self.artifacts(), key)]

    def __repr__(self) -> str:
        return f"<run {self.name} {self.id}>"


class RunList(list[RunView]):
    """Runs, in the order in which they were found."""

    def frame(self, columns: Sequence[str] = ()) -> pl.DataFrame:
        """The runs as a polars frame, one row for each.

        Args:
            columns: fields as filters name them, `metric.auc.max`; all that some run has when empty.
        """
        from clew.tracking.export import frame_of

        chosen: list[Field] = [parse_field(each) for each in columns]
        found: Any = frame_of([run.found for run in self], chosen)
        frame: pl.DataFrame = found
        return frame
