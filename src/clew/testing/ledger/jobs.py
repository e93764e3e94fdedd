"""What a ledger must do for jobs."""

from __future__ import annotations

import msgspec
import pytest

from clew.core.contracts.ledger import Ledger
from clew.core.errors import Conflict
from clew.core.types.job import LONGEST_LEASE_US, JobState
from clew.testing.ledger.examples import a_job

__all__ = ["JobsContract"]


class JobsContract:
    """What holds for `clew.core.contracts.ledger.Jobs`."""

    def test_a_job_is_queued_once_until_it_is_done(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            assert tx.jobs.queue(a_job("1"))
            assert not tx.jobs.queue(a_job("2"))
            job = tx.jobs.lease("p", holder="w", now_us=0, until_us=10)
            assert job is not None
            assert not tx.jobs.queue(a_job("3"))
            tx.jobs.finish(msgspec.structs.replace(job, state=JobState.DONE, result={"ok": True}))
            assert tx.jobs.get("1").result == {"ok": True}
            assert tx.jobs.queue(a_job("4"))
            assert [each.id for each in tx.jobs.list("p")] == ["4", "1"]
            assert [each.id for each in tx.jobs.list("p", state=JobState.DONE)] == ["1"]

    def test_the_longest_due_job_is_leased_first(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.jobs.queue(a_job("1", key="later", due_us=5))
            tx.jobs.queue(a_job("2", key="sooner", due_us=3))
            assert tx.jobs.lease("p", holder="w", now_us=2, until_us=10) is None
            assert [tx.jobs.due("p", now_us=now_us) for now_us in (2, 3)] == [False, True]
            leased = [tx.jobs.lease("p", holder="w", now_us=6, until_us=10) for _ in range(3)]
            assert [job.id if job else None for job in leased] == ["2", "1", None]

    def test_a_lease_of_another_time_holds_no_more(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.jobs.queue(a_job("1"))
            ahead = 2 * LONGEST_LEASE_US
            assert tx.jobs.lease("p", holder="before", now_us=ahead, until_us=ahead + 10)
            assert [tx.jobs.due("p", now_us=ahead + 10 - LONGEST_LEASE_US - back) for back in (0, 1)] == [False, True]
            taken = tx.jobs.lease("p", holder="after", now_us=0, until_us=10)
            assert taken is not None
            assert (taken.id, taken.holder, taken.attempts) == ("1", "after", 2)

    def test_an_old_fence_is_refused(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.jobs.queue(a_job("1"))
            slow = tx.jobs.lease("p", holder="slow", now_us=0, until_us=10)
            assert slow is not None
            assert tx.jobs.lease("p", holder="quick", now_us=9, until_us=20) is None
            quick = tx.jobs.lease("p", holder="quick", now_us=10, until_us=20)
            assert quick is not None
            assert quick.fence > slow.fence
            with pytest.raises(Conflict):
                tx.jobs.finish(slow)
            with pytest.raises(Conflict):
                tx.jobs.renew(slow, until_us=99)
            tx.jobs.renew(quick, until_us=30)
            assert tx.jobs.lease("p", holder="third", now_us=25, until_us=40) is None
