"""A project on a server, as the code of a project has it: every service, and objects, over one connection."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from clew.client.connection import Connection
from clew.client.objects import HttpObjects
from clew.client.runs import HttpRuns
from clew.core.clock import Clock
from clew.core.ids import IdSource

if TYPE_CHECKING:
    from clew.client.datasets import HttpDatasets
    from clew.client.endpoints import HttpEndpoints
    from clew.client.events import HttpEvents
    from clew.client.jobs import HttpJobs
    from clew.client.lineage import HttpLineage
    from clew.client.models import HttpAliases, HttpModels
    from clew.client.steps import HttpSteps

__all__ = ["HttpProject"]


class HttpProject:
    """`clew.core.contracts.services.Services` over HTTP. Opening one asks the server nothing.

    Args:
        connection: to the project.
        clock: where time comes from.
        ids: where ids come from.
        actor: who acts, until the server, which knows better, has written it.
        folder: local: journals and caches lie in it.
    """

    def __init__(self, connection: Connection, *, clock: Clock, ids: IdSource, actor: str, folder: Path) -> None:
        self.connection = connection
        self.clock, self.ids, self.actor, self.folder = clock, ids, actor, folder
        self.project = connection.project

    def close(self) -> None:
        """Let go of the connections."""
        self.connection.close()

    @cached_property
    def runs(self) -> HttpRuns:
        """Runs."""
        return HttpRuns(self.connection)

    @cached_property
    def objects(self) -> HttpObjects:
        """Bytes."""
        return HttpObjects(self.connection)

    @cached_property
    def steps(self) -> HttpSteps:
        """The step cache."""
        from clew.client.steps import HttpSteps

        return HttpSteps(self.connection)

    @cached_property
    def datasets(self) -> HttpDatasets:
        """Datasets and their versions."""
        from clew.client.datasets import HttpDatasets

        return HttpDatasets(self.connection)

    @cached_property
    def models(self) -> HttpModels:
        """Models and their versions."""
        from clew.client.models import HttpModels

        return HttpModels(self.connection)

    @cached_property
    def aliases(self) -> HttpAliases:
        """Names that move over model versions, through the gate of the server."""
        from clew.client.models import HttpAliases

        return HttpAliases(self.connection, self.objects)

    @cached_property
    def events(self) -> HttpEvents:
        """What changed."""
        from clew.client.events import HttpEvents

        return HttpEvents(self.connection)

    @cached_property
    def lineage(self) -> HttpLineage:
        """What flowed into what."""
        from clew.client.lineage import HttpLineage

        return HttpLineage(self.connection)

    @cached_property
    def endpoints(self) -> HttpEndpoints:
        """Endpoints."""
        from clew.client.endpoints import HttpEndpoints

        return HttpEndpoints(self.connection, self.objects)

    @cached_property
    def jobs(self) -> HttpJobs:
        """Jobs."""
        from clew.client.jobs import HttpJobs

        return HttpJobs(self.connection)
