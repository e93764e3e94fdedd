"""Jobs: work that a worker takes under a lease."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["LONGEST_LEASE_US", "Job", "JobState"]

LONGEST_LEASE_US = 3600 * 1_000_000
"""A lease that lies further ahead was taken before the clock went back, and holds no more."""


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work. `key` is unique among unfinished jobs of a project: queuing it twice is one job.

    `fence` grows with each lease; what a holder writes with an old fence is refused, so that a worker that was paused
    beyond its lease cannot finish work that another has taken over.
    """

    id: str
    project: str
    kind: str
    key: str
    args: dict[str, object]
    state: JobState
    due_us: int
    created_us: int
    holder: str = ""
    lease_until_us: int = 0
    fence: int = 0
    attempts: int = 0
    result: dict[str, object] = {}
    reason: str = ""

    def leased(self, holder: str, *, until_us: int) -> Job:
        """The job as somebody has it who takes it now."""
        return msgspec.structs.replace(
            self,
            state=JobState.LEASED,
            holder=holder,
            lease_until_us=until_us,
            fence=self.fence + 1,
            attempts=self.attempts + 1,
        )
