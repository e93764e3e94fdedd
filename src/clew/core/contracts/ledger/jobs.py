"""Work under leases."""

from __future__ import annotations

from typing import Protocol

from clew.core.types.job import Job, JobState

__all__ = ["Jobs"]


class Jobs(Protocol):
    """Work under leases."""

    def queue(self, job: Job) -> bool:
        """Add a job; False when an unfinished one of the project has the same key."""
        ...

    def due(self, project: str, *, now_us: int) -> bool:
        """Whether `lease` would find a job; takes no lock."""
        ...

    def lease(self, project: str, *, holder: str, now_us: int, until_us: int) -> Job | None:
        """Take the job that is due longest: queued, or leased beyond its time. Its fence grows by one.

        A lease that lies more than `LONGEST_LEASE_US` ahead is beyond its time too: the clock went back behind it.
        """
        ...

    def renew(self, job: Job, *, until_us: int) -> None:
        """Hold on to a lease. `Conflict` when its fence is old."""
        ...

    def finish(self, job: Job) -> None:
        """Store the final state. `Conflict` when its fence is old: another worker has taken over."""
        ...

    def get(self, id: str) -> Job: ...
    def list(self, project: str, *, state: JobState | None = None, limit: int = 100) -> list[Job]: ...
