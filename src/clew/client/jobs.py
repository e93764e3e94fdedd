"""Jobs on a server."""

from __future__ import annotations

from clew.client.connection import Connection, named, quoted
from clew.core.types.job import Job, JobState

__all__ = ["HttpJobs"]


class HttpJobs:
    """`clew.core.contracts.services.JobService` over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def list(self, *, state: JobState | None = None, limit: int = 100) -> list[Job]:
        return self._c.get("/jobs", list[Job], of_state=state, limit=limit)

    def cancel(self, id: str) -> Job:
        return self._c.send("POST", f"/jobs/{quoted(named(id))}/cancel", {}, Job)
