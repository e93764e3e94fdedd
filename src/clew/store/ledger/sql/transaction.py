"""All repositories over one connection."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from clew.store.ledger.sql.accounts import SqlAccounts
from clew.store.ledger.sql.agreement import disagreements
from clew.store.ledger.sql.beats import SqlBeats
from clew.store.ledger.sql.connection import Closing, Connection
from clew.store.ledger.sql.datasets import SqlDatasets, SqlLogs
from clew.store.ledger.sql.edges import SqlEdges
from clew.store.ledger.sql.endpoints import SqlAlerts, SqlEndpoints, SqlTrials, SqlWindows
from clew.store.ledger.sql.events import SqlEvents
from clew.store.ledger.sql.jobs import SqlJobs
from clew.store.ledger.sql.logged_models import SqlLoggedModels, SqlRunInputs
from clew.store.ledger.sql.mentions import SqlMentions
from clew.store.ledger.sql.models import SqlModels
from clew.store.ledger.sql.projects import SqlProjects
from clew.store.ledger.sql.rows import ProjectRows
from clew.store.ledger.sql.runs import SqlArtifacts, SqlExperiments, SqlRuns
from clew.store.ledger.sql.search_cache import SearchCache
from clew.store.ledger.sql.series import SqlSeriesBlocks
from clew.store.ledger.sql.steps import SqlSteps

__all__ = ["SqlTransaction"]


class SqlTransaction:
    """`clew.core.contracts.ledger.Transaction`; a repository is made when it is first used."""

    def __init__(self, connection: Connection, searches: SearchCache) -> None:
        self._c, self._searches = connection, searches

    def rows_of(self, project: str) -> ProjectRows:
        """The rows of a project as they lie in tables, to be moved."""
        return ProjectRows(self._c, project)

    def forbid(self, reason: str) -> None:
        """Let no writer in any more, where the database can tell; for a file that was moved away."""
        if isinstance(self._c, Closing):
            self._c.forbid(reason)

    @cached_property
    def accounts(self) -> SqlAccounts:
        return SqlAccounts(self._c)

    @cached_property
    def projects(self) -> SqlProjects:
        return SqlProjects(self._c)

    @cached_property
    def datasets(self) -> SqlDatasets:
        return SqlDatasets(self._c)

    @cached_property
    def logs(self) -> SqlLogs:
        return SqlLogs(self._c)

    @cached_property
    def experiments(self) -> SqlExperiments:
        return SqlExperiments(self._c)

    @cached_property
    def runs(self) -> SqlRuns:
        return SqlRuns(self._c, self._searches)

    @cached_property
    def beats(self) -> SqlBeats:
        return SqlBeats(self._c)

    @cached_property
    def series(self) -> SqlSeriesBlocks:
        return SqlSeriesBlocks(self._c)

    @cached_property
    def artifacts(self) -> SqlArtifacts:
        return SqlArtifacts(self._c)

    @cached_property
    def inputs(self) -> SqlRunInputs:
        return SqlRunInputs(self._c)

    @cached_property
    def logged_models(self) -> SqlLoggedModels:
        return SqlLoggedModels(self._c)

    @cached_property
    def steps(self) -> SqlSteps:
        return SqlSteps(self._c)

    @cached_property
    def models(self) -> SqlModels:
        return SqlModels(self._c)

    @cached_property
    def endpoints(self) -> SqlEndpoints:
        return SqlEndpoints(self._c)

    @cached_property
    def windows(self) -> SqlWindows:
        return SqlWindows(self._c)

    @cached_property
    def trials(self) -> SqlTrials:
        return SqlTrials(self._c)

    @cached_property
    def alerts(self) -> SqlAlerts:
        return SqlAlerts(self._c)

    @cached_property
    def jobs(self) -> SqlJobs:
        return SqlJobs(self._c)

    @cached_property
    def events(self) -> SqlEvents:
        return SqlEvents(self._c)

    @cached_property
    def edges(self) -> SqlEdges:
        return SqlEdges(self._c)

    @cached_property
    def mentions(self) -> SqlMentions:
        return SqlMentions(self._c)

    def disagreements(self) -> Iterator[tuple[str, str]]:
        return disagreements(self._c)
