"""How an interrupted replay goes on: what stands in a journal counts as well as what stands in a log."""

from __future__ import annotations

import msgspec

from clew.core.types.job import Job, JobState
from clew.demo.remembered import judged_until_us, labelled_keys, served_keys
from clew.loop.monitor import DAY_US
from clew.loop.watch import compact_endpoint
from clew.testing.life import START_US, Life


def served(life: Life, day: int) -> set[str]:
    low_us = START_US + day * DAY_US
    return served_keys(life.stores, life.endpoint, low_us, low_us + DAY_US)


def test_flights_are_remembered_in_journals_and_in_logs(life: Life) -> None:
    assert served(life, 0) == set()
    first = set(life.decide(0, 20))
    assert served(life, 0) == first
    compact_endpoint(life.monitor)
    second = set(life.decide(0.5, 20, hours=4))
    assert served(life, 0) == first | second
    life.end_replica()
    compact_endpoint(life.monitor)
    assert served(life, 0) == first | second
    assert served(life, 1) == set()


def test_labels_are_remembered_by_the_moment_at_which_they_were_told(life: Life) -> None:
    names = life.decide(0, 20)
    life.label(names[:5], day=1)
    life.label(names[5:9], day=2)
    assert labelled_keys(life.stores, life.endpoint, START_US + DAY_US) == set(names[:5])
    compact_endpoint(life.monitor)
    assert labelled_keys(life.stores, life.endpoint, START_US + DAY_US) == set(names[:5])
    assert labelled_keys(life.stores, life.endpoint, START_US + 2 * DAY_US) == set(names[5:9])


def test_a_day_is_over_when_a_look_at_its_end_was_finished(life: Life) -> None:
    stores = life.stores
    assert judged_until_us(stores, "late") == 0
    job = Job(
        id=stores.ids(),
        project=stores.project,
        kind="watch",
        key="watch/late",
        args={"endpoint": "late", "until_us": 17},
        state=JobState.QUEUED,
        due_us=0,
        created_us=0,
    )
    with stores.ledger.write() as tx:
        assert tx.jobs.queue(job)
    assert judged_until_us(stores, "late") == 0
    with stores.ledger.write() as tx:
        leased = tx.jobs.lease(stores.project, holder="w", now_us=1, until_us=2)
        assert leased is not None
        tx.jobs.finish(msgspec.structs.replace(leased, state=JobState.DONE))
    assert judged_until_us(stores, "late") == 17
    assert judged_until_us(stores, "other") == 0
