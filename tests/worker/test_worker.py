"""Jobs under leases: each is done, none is stored by two."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid
from clew.core.ids import Ids
from clew.core.types.job import Job, JobState
from clew.store.ledger.memory import MemoryLedger
from clew.store.ledger.sqlite import SqliteLedger
from clew.worker.worker import Worker, queue


class HandClock:
    def __init__(self) -> None:
        self.us = 1_000_000

    def now_us(self) -> int:
        return self.us


def stores(tmp_path: Path, ledger: Any = None) -> Stores:
    clock = HandClock()
    nothing: Any = None
    return Stores(
        ledger=ledger or MemoryLedger(),
        objects=nothing,
        clock=clock,
        ids=Ids(clock),
        project="p",
        actor="ann",
        folder=tmp_path,
    )


def jobs_of(of: Stores) -> list[Job]:
    with of.ledger.read() as tx:
        return tx.jobs.list("p")


def test_due_jobs_are_done_in_order(tmp_path: Path) -> None:
    of = stores(tmp_path)
    assert queue(of, "say", "b", {"word": "b"}, due_us=900_000)
    assert queue(of, "say", "a", {"word": "a"}, due_us=800_000)
    assert queue(of, "say", "c", {"word": "c"}, due_us=9_000_000)
    assert queue(of, "say", "a", {}) is None
    said: list[object] = []

    def say(job: Job) -> dict[str, object]:
        said.append(job.args["word"])
        return {"said": job.args["word"]}

    assert Worker(of, "w", {"say": say}).drain() == 2
    assert said == ["a", "b"]
    assert {job.key: (job.state, job.result) for job in jobs_of(of) if job.key != "c"} == {
        "a": (JobState.DONE, {"said": "a"}),
        "b": (JobState.DONE, {"said": "b"}),
    }


def test_a_job_that_fails_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    of = stores(tmp_path)
    for kind in ("bad", "worse", "unknown", "good"):
        queue(of, kind, kind, {})

    def bad(job: Job) -> dict[str, object]:
        raise Invalid(f"{job.key} cannot be done", hint="do something else")

    def worse(job: Job) -> dict[str, object]:
        raise ZeroDivisionError(job.key)

    with caplog.at_level(logging.CRITICAL):
        assert Worker(of, "w", {"bad": bad, "worse": worse, "good": lambda _: {}}).drain() == 4
    found = {job.key: job for job in jobs_of(of)}
    assert [found[key].state for key in ("bad", "worse", "unknown")] == [JobState.FAILED] * 3
    assert found["good"].state is JobState.DONE
    assert "do something else" in found["bad"].reason
    assert "ZeroDivisionError" in found["worse"].reason


def test_a_job_whose_workers_die_is_given_up(tmp_path: Path) -> None:
    of = stores(tmp_path)
    clock: Any = of.clock
    queue(of, "deadly", "k", {})
    for _ in range(3):
        with of.ledger.write() as tx:
            assert tx.jobs.lease("p", holder="dead", now_us=clock.us, until_us=clock.us + 10)
        clock.us += 10
    assert Worker(of, "w", {"deadly": lambda _: {}}).drain() == 1
    [job] = jobs_of(of)
    assert job.state is JobState.FAILED
    assert "given up" in job.reason


def test_a_worker_that_lost_its_lease_stores_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    of = stores(tmp_path)
    clock: Any = of.clock
    queue(of, "slow", "k", {})

    def slow(job: Job) -> dict[str, object]:
        clock.us += 10**9
        Worker(of, "quick", {"slow": lambda _: {"by": "quick"}}).drain()
        return {"by": "slow"}

    with caplog.at_level(logging.CRITICAL):
        Worker(of, "slow", {"slow": slow}).drain()
    [job] = jobs_of(of)
    assert job.result == {"by": "quick"}


def test_two_workers_share_the_work(tmp_path: Path) -> None:
    of = stores(tmp_path, SqliteLedger(tmp_path / "l"))
    for i in range(40):
        queue(of, "count", str(i), {})
    done: list[str] = []
    stop = threading.Event()

    def count(job: Job) -> dict[str, object]:
        done.append(job.key)
        if len(done) == 40:
            stop.set()
        return {}

    workers = [threading.Thread(target=Worker(of, name, {"count": count}).run, args=(stop,)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=90)
    assert sorted(done, key=int) == [str(i) for i in range(40)]
    of.ledger.close()
