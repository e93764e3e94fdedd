"""Which jobs can be taken out of the queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.errors import Conflict
from clew.core.types.job import JobState
from clew.loop.jobs import LedgerJobs
from clew.testing.clock import ManualClock
from clew.worker.worker import queue
from clew.workspace import Workspace, init_project

YEAR_US = 365 * 86_400_000_000


def test_a_job_under_a_lease_is_not_cancelled_unless_the_clock_has_gone_back_since(tmp_path: Path) -> None:
    clock = ManualClock()
    init_project(tmp_path)
    with Workspace(tmp_path, clock=clock) as workspace:
        stores, jobs = workspace.stores, LedgerJobs(workspace.stores)
        job = queue(stores, "watch", "k", {})
        assert job is not None
        with stores.ledger.write() as tx:
            assert tx.jobs.lease(stores.project, holder="w", now_us=clock.us, until_us=clock.us + 60) is not None
        with pytest.raises(Conflict, match="is being done by w"):
            jobs.cancel(job.id)
        clock.us -= YEAR_US  # as a worker that died had it wrong
        assert jobs.cancel(job.id).state is JobState.CANCELLED
        assert jobs.cancel(job.id).state is JobState.CANCELLED
