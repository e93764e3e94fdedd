"""What another tracker recorded, in the words of clew: what a reader of one gives, and nothing about how it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from clew.core.types.logged_model import LoggedMetric, LoggedModel
from clew.core.types.model import Model, ModelVersion
from clew.core.types.run import Experiment, Run
from clew.core.types.run_input import RunInput
from clew.tracking.series import Points

__all__ = ["ForeignFile", "ForeignLogged", "ForeignModel", "ForeignRun", "Source"]


@dataclass(frozen=True)
class ForeignFile:
    """One file that a run kept: a file of this machine, or what writes its bytes into one. `size_bytes` is below 0
    where nobody knows it."""

    path: str
    content: Path | Callable[[IO[bytes]], object]
    size_bytes: int
    media_type: str = ""


@dataclass(frozen=True)
class ForeignRun:
    """A run as it was, with the name of its experiment; `run.project` and `run.experiment` are filled in later."""

    run: Run
    experiment: str
    series: Mapping[str, Points]
    inputs: tuple[RunInput, ...] = ()
    files: Callable[[], Iterator[ForeignFile]] = lambda: iter(())


@dataclass(frozen=True)
class ForeignLogged:
    """A model that a run logged, with the name of its experiment, and what was measured of it."""

    model: LoggedModel
    experiment: str
    metrics: tuple[LoggedMetric, ...]
    files: Callable[[], Iterator[ForeignFile]] = lambda: iter(())


@dataclass(frozen=True)
class ForeignModel:
    """A registered model with its versions, oldest first, and which of them holds each alias."""

    model: Model
    versions: tuple[ModelVersion, ...] = ()
    aliases: Mapping[str, int] = field(default_factory=dict)


class Source(Protocol):
    """Another tracker, to read from. What it gives may be read again, and is the same then unless it grew.

    Errors: `NotFound` and `Invalid` for what is not there or is no such tracker, `Corrupt` for what cannot be read,
    `Unavailable` when it does not answer.
    """

    @property
    def name(self) -> str:
        """What sort of tracker it is, in a word: the sources of points are named after it."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...

    def counts(self) -> dict[str, int]:
        """What there is, as the tracker itself counts it (`runs`, `points`, …); what it cannot count is left out."""
        ...

    def experiments(self) -> list[Experiment]:
        """Every experiment; ids and numbers are given later."""
        ...

    def runs(self) -> Iterator[ForeignRun]:
        """Every run, parents before children where that is known. Its files are there until the next one is asked."""
        ...

    def logged_models(self) -> Iterator[ForeignLogged]:
        """Every model that a run logged."""
        ...

    def models(self) -> Iterator[ForeignModel]:
        """Every registered model."""
        ...
