"""Experiments, runs and their artifacts."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from clew.core.ids import Digest

__all__ = ["DEFAULT_EXPERIMENT", "Artifact", "Experiment", "Run", "RunKind", "RunStatus", "Scalar"]

DEFAULT_EXPERIMENT = "default"
"""Where runs go that name no experiment; its number is 0."""

Scalar = str | int | float | bool | None
"""What a parameter may be; anything else is logged as text."""


class RunStatus(StrEnum):
    """Where a run is in its life."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    KILLED = "killed"
    LOST = "lost"
    INTERRUPTED = "interrupted"


class RunKind(StrEnum):
    """What started the run."""

    SCRIPT = "script"
    NOTEBOOK = "notebook"
    PIPELINE = "pipeline"
    RETRAIN = "retrain"
    REPRODUCTION = "reproduction"


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """A named group of runs.

    `number` counts experiments within a project: 0 is the one named `default`. The ledger gives it when an experiment
    is added, and fills it in when one is read. `location` is where its runs keep their files when that is not the
    project's objects.
    """

    id: str
    project: str
    name: str
    created_us: int
    number: int = -1
    tags: dict[str, str] = {}
    location: str = ""
    updated_us: int = 0
    deleted_us: int = 0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One execution.

    `capture` maps an aspect (`source`, `environment`, `hardware`, `command`, `seeds`, …) to the digest of the object
    that describes it; `commit` is the git commit, with `+` when the tree was dirty. `reason` says why it ended as it
    did: a traceback, a signal. One with `deleted_us` lies in the trash: lists leave it out. Of one
    with `purged_us` this row is all that is left, as a record.
    """

    id: str
    project: str
    experiment: str
    name: str
    kind: RunKind
    status: RunStatus
    created_us: int
    created_by: str
    ended_us: int = 0
    parent: str = ""
    params: dict[str, Scalar] = {}
    tags: dict[str, str] = {}
    command: list[str] = []
    entry: str = ""
    commit: str = ""
    capture: dict[str, Digest] = {}
    reason: str = ""
    deleted_us: int = 0
    purged_us: int = 0

    @property
    def duration_ms(self) -> float | None:
        """From its beginning to its end; None while it goes on."""
        return (self.ended_us - self.created_us) / 1000 if self.ended_us else None


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """One named file of a run, or of a logged model, whose id stands in `run` then.

    An object that was logged has a key, a step, and a form: image, figure, table, histogram, audio, text or html.
    """

    run: str
    path: str
    digest: Digest
    size_bytes: int
    media_type: str
    created_us: int
    key: str = ""
    step: float | None = None
    form: str = ""
