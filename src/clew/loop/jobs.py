"""Jobs in place: `clew.core.contracts.services.JobService` over a ledger. Who runs them is in `clew.worker`."""

from __future__ import annotations

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, NotFound
from clew.core.types.edge import node
from clew.core.types.job import LONGEST_LEASE_US, Job, JobState

__all__ = ["LedgerJobs"]


class LedgerJobs:
    """The jobs of a project."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def list(self, *, state: JobState | None = None, limit: int = 100) -> list[Job]:
        with self._stores.ledger.read() as tx:
            return tx.jobs.list(self._stores.project, state=state, limit=limit)

    def cancel(self, id: str) -> Job:
        stores = self._stores
        with stores.ledger.write() as tx:
            job = tx.jobs.get(id)
            if job.project != stores.project:
                raise NotFound("job", id, hint="clew jobs list")
            if job.state is JobState.CANCELLED:
                return job
            if job.state not in (JobState.QUEUED, JobState.LEASED):
                raise Conflict(f"job {job.key} has ended: it is {job.state}")
            now_us = stores.clock.now_us()
            # a lease that is longer than any was given under another clock, and holds nobody off
            if job.state is JobState.LEASED and now_us < job.lease_until_us <= now_us + LONGEST_LEASE_US:
                hint = "stop that worker, and the job is free once its lease is over"
                raise Conflict(f"job {job.key} is being done by {job.holder}", hint=hint)
            cancelled = msgspec.structs.replace(job, state=JobState.CANCELLED, reason=f"cancelled by {stores.actor}")
            tx.jobs.finish(cancelled)
            facts = {"job": job.id, "kind": job.kind, "key": job.key}
            stores.tell(tx, "job.cancelled", node("project", stores.project), facts)
        return cancelled
