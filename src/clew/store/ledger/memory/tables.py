"""What the ledger in memory stores."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, TypeVar

from clew.core.types.account import Member, Token, User
from clew.core.types.beat import Beat
from clew.core.types.dataset import Dataset, DatasetVersion, LogBatch
from clew.core.types.edge import Edge, Node
from clew.core.types.endpoint import Alert, Endpoint, Trial, Window
from clew.core.types.event import Event, SealedEvent
from clew.core.types.job import Job
from clew.core.types.logged_model import LoggedMetric, LoggedModel
from clew.core.types.model import Alias, Model, ModelVersion
from clew.core.types.project import Project
from clew.core.types.run import Artifact, Experiment, Run
from clew.core.types.run_input import RunInput
from clew.core.types.series import SeriesBlock
from clew.core.types.step import StepEntry, StepRun

__all__ = ["Tables", "add_row"]

K = TypeVar("K")
A = TypeVar("A")


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
    logged_metrics: dict[tuple[str, str, int, int, str, str, str, str], LoggedMetric] = field(default_factory=dict)
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


def add_row(rows: dict[K, A], key: K, row: A) -> bool:
    """Add a row unless its key is there."""
    if key in rows:
        return False
    rows[key] = row
    return True
