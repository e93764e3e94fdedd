"""Jobs in SQL: leases with fences."""

from __future__ import annotations

import msgspec

from clew.core.errors import Conflict
from clew.core.types.job import LONGEST_LEASE_US, Job, JobState
from clew.store.ledger.sql.connection import Connection, Document

__all__ = ["SqlJobs"]

_job = Document(Job)


class SqlJobs:
    """`clew.core.contracts.ledger.Jobs`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def queue(self, job: Job) -> bool:
        sql = (
            "INSERT INTO jobs (id, project, key, state, due_us, lease_until_us, fence, document) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        )
        row = (job.id, job.project, job.key, job.state, job.due_us, job.lease_until_us, job.fence, _job.text(job))
        return self._c.change(sql, row) > 0

    def due(self, project: str, *, now_us: int) -> bool:
        return self._due(project, now_us) is not None

    def _due(self, project: str, now_us: int) -> Job | None:
        return _job.one(
            self._c.rows(
                "SELECT document FROM jobs WHERE project = ? AND state IN ('queued', 'leased') AND due_us <= ? "
                "AND (state = 'queued' OR lease_until_us <= ? OR lease_until_us > ?) ORDER BY due_us, id LIMIT 1",
                (project, now_us, now_us, now_us + LONGEST_LEASE_US),
            )
        )

    def lease(self, project: str, *, holder: str, now_us: int, until_us: int) -> Job | None:
        due = self._due(project, now_us)
        if due is None:
            return None
        taken = due.leased(holder, until_us=until_us)
        self._store(taken, fence=due.fence)
        return taken

    def renew(self, job: Job, *, until_us: int) -> None:
        self._store(msgspec.structs.replace(job, lease_until_us=until_us), fence=job.fence)

    def finish(self, job: Job) -> None:
        self._store(job, fence=job.fence)

    def _store(self, job: Job, *, fence: int) -> None:
        changed = self._c.change(
            "UPDATE jobs SET state = ?, due_us = ?, lease_until_us = ?, fence = ?, document = ? "
            "WHERE id = ? AND fence = ? AND state IN ('queued', 'leased')",
            (job.state, job.due_us, job.lease_until_us, job.fence, _job.text(job), job.id, fence),
        )
        if not changed:
            raise Conflict(f"job {job.id} ({job.kind}) is no longer held by {job.holder!r}: its lease ran out")

    def get(self, id: str) -> Job:
        return _job.get(self._c.rows("SELECT document FROM jobs WHERE id = ?", (id,)), "job", id)

    def list(self, project: str, *, state: JobState | None = None, limit: int = 100) -> list[Job]:
        where, params = ("", [project]) if state is None else (" AND state = ?", [project, state])
        sql = f"SELECT document FROM jobs WHERE project = ?{where} ORDER BY id DESC LIMIT {int(limit)}"
        return _job.all(self._c.rows(sql, params))
