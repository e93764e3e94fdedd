"""What the loop did, told from trials and jobs."""

from __future__ import annotations

import msgspec

from clew.core.types.endpoint import Trial, TrialState
from clew.core.types.job import Job, JobState
from clew.demo.chapters import Chapter, Deed, chapters_of
from clew.demo.teller import in_words
from clew.testing.life import Life


def trial(life: Life, number: int, state: TrialState, started_us: int, ended_us: int, reason: str = "") -> None:
    found = Trial(
        id=life.stores.ids(),
        endpoint=life.endpoint.id,
        champion=life.version(1).id,
        challenger=life.version(number).id,
        state=state,
        started_us=started_us,
        ended_us=ended_us,
        test={},
        reason=reason,
    )
    with life.stores.ledger.write() as tx:
        tx.trials.put(found)


def retraining(life: Life, until_us: int, state: JobState, *, asked: str, reason: str = "") -> None:
    job = Job(
        id=life.stores.ids(),
        project=life.stores.project,
        kind="retrain",
        key="retrain",
        args={"endpoint": "late", "until_us": until_us, "reason": asked},
        state=JobState.QUEUED,
        due_us=0,
        created_us=0,
    )
    with life.stores.ledger.write() as tx:
        tx.jobs.queue(job)
        leased = tx.jobs.lease(life.stores.project, holder="w", now_us=1, until_us=2)
        assert leased is not None
        tx.jobs.finish(msgspec.structs.replace(leased, state=state, reason=reason))


def test_the_chapters_of_a_life(life: Life) -> None:
    late_us = 2_000_000_000_000_000
    retraining(life, late_us, JobState.DONE, asked="wind drifted")
    trial(life, 2, TrialState.PROMOTED, late_us, late_us + 2, "cheaper")
    retraining(life, late_us + 2, JobState.FAILED, asked="hour drifted", reason="train.py:train ended\nTraceback")
    trial(life, 3, TrialState.RUNNING, late_us + 3, 0)
    live, *rest = chapters_of(life.stores, life.endpoint)
    assert (live.deed, live.version) == (Deed.LIVE, 1)
    assert rest == [
        Chapter(at_us=late_us, deed=Deed.RETRAINED, version=2, text="wind drifted"),
        Chapter(at_us=late_us + 2, deed=Deed.FAILED, text="train.py:train ended\nTraceback"),
        Chapter(at_us=late_us + 2, deed=Deed.PROMOTED, version=2, text="cheaper"),
        Chapter(at_us=late_us + 3, deed=Deed.RETRAINED, version=3),
    ]
    assert [in_words(chapter) for chapter in rest] == [
        "version 2 is trained and put on trial: wind drifted",
        "a retraining failed: train.py:train ended",
        "version 2 is promoted",
        "version 3 is trained and put on trial",
    ]
