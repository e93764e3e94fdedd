"""All repositories over one state of the tables."""

from __future__ import annotations

from clew.store.ledger.memory.accounts import MemoryAccounts
from clew.store.ledger.memory.beats import MemoryBeats
from clew.store.ledger.memory.datasets import MemoryDatasets, MemoryLogs
from clew.store.ledger.memory.edges import MemoryEdges
from clew.store.ledger.memory.endpoints import MemoryAlerts, MemoryEndpoints, MemoryTrials, MemoryWindows
from clew.store.ledger.memory.events import MemoryEvents
from clew.store.ledger.memory.jobs import MemoryJobs
from clew.store.ledger.memory.logged_models import MemoryLoggedModels, MemoryRunInputs
from clew.store.ledger.memory.mentions import MemoryMentions
from clew.store.ledger.memory.models import MemoryModels
from clew.store.ledger.memory.projects import MemoryProjects
from clew.store.ledger.memory.runs import MemoryArtifacts, MemoryExperiments, MemoryRuns
from clew.store.ledger.memory.series import MemorySeriesBlocks
from clew.store.ledger.memory.steps import MemorySteps
from clew.store.ledger.memory.tables import Tables

__all__ = ["MemoryTransaction"]


class MemoryTransaction:
    """`clew.core.contracts.ledger.Transaction`."""

    def __init__(self, tables: Tables) -> None:
        self.accounts = MemoryAccounts(tables)
        self.projects = MemoryProjects(tables)
        self.datasets = MemoryDatasets(tables)
        self.logs = MemoryLogs(tables)
        self.experiments = MemoryExperiments(tables)
        self.runs = MemoryRuns(tables)
        self.beats = MemoryBeats(tables)
        self.series = MemorySeriesBlocks(tables)
        self.artifacts = MemoryArtifacts(tables)
        self.inputs = MemoryRunInputs(tables)
        self.logged_models = MemoryLoggedModels(tables)
        self.steps = MemorySteps(tables)
        self.models = MemoryModels(tables)
        self.endpoints = MemoryEndpoints(tables)
        self.windows = MemoryWindows(tables)
        self.trials = MemoryTrials(tables)
        self.alerts = MemoryAlerts(tables)
        self.jobs = MemoryJobs(tables)
        self.events = MemoryEvents(tables)
        self.edges = MemoryEdges(tables)
        self.mentions = MemoryMentions(tables)

    def disagreements(self) -> list[tuple[str, str]]:
        return []  # there is nothing beside what is read
