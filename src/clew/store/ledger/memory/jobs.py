"""Jobs in memory."""

from __future__ import annotations

import msgspec

from clew.core.errors import Conflict, NotFound
from clew.core.types.job import LONGEST_LEASE_US, Job, JobState
from clew.store.ledger.memory.tables import Tables

__all__ = ["MemoryJobs"]


class MemoryJobs:
    """`clew.core.contracts.ledger.Jobs`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.jobs

    def _unfinished(self, project: str) -> list[Job]:
        states = (JobState.QUEUED, JobState.LEASED)
        return [job for job in self._rows.values() if job.project == project and job.state in states]

    def queue(self, job: Job) -> bool:
        if any(each.key == job.key for each in self._unfinished(job.project)):
            return False
        self._rows[job.id] = job
        return True

    def due(self, project: str, *, now_us: int) -> bool:
        return bool(self._due(project, now_us))

    def _due(self, project: str, now_us: int) -> list[Job]:
        return [
            job
            for job in self._unfinished(project)
            if job.due_us <= now_us
            and (job.state is JobState.QUEUED or not now_us < job.lease_until_us <= now_us + LONGEST_LEASE_US)
        ]

    def lease(self, project: str, *, holder: str, now_us: int, until_us: int) -> Job | None:
        due = self._due(project, now_us)
        if not due:
            return None
        taken = min(due, key=lambda each: (each.due_us, each.id)).leased(holder, until_us=until_us)
        self._rows[taken.id] = taken
        return taken

    def renew(self, job: Job, *, until_us: int) -> None:
        self.finish(msgspec.structs.replace(job, lease_until_us=until_us))

    def finish(self, job: Job) -> None:
        stored = self._rows.get(job.id)
        if stored is None or stored.fence != job.fence or stored not in self._unfinished(job.project):
            raise Conflict(f"job {job.id} ({job.kind}) is no longer held by {job.holder!r}: its lease ran out")
        self._rows[job.id] = job

    def get(self, id: str) -> Job:
        if id not in self._rows:
            raise NotFound("job", id)
        return self._rows[id]

    def list(self, project: str, *, state: JobState | None = None, limit: int = 100) -> list[Job]:
        found = [job for job in self._rows.values() if job.project == project and state in (None, job.state)]
        return sorted(found, key=lambda job: job.id, reverse=True)[:limit]
