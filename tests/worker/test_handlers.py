"""What a worker does for its jobs, end to end in a project: looks, retrainings that are asked for, and mistakes."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clew.core.errors import Invalid, Unavailable
from clew.core.types.job import Job, JobState
from clew.loop import retrain as retraining
from clew.settings import SETTINGS_FILE
from clew.testing.life import SETTINGS, START_US, Life
from clew.worker import handlers
from clew.worker.handlers import handlers_of, look_at, queue_watch
from clew.worker.schedule import Schedule
from clew.worker.worker import Worker, queue
from clew.workspace import Workspace

DAY_US = 86_400_000_000


def work(life: Life, kind: str, args: dict[str, object]) -> Job:
    """Do one job, and what comes of it."""
    asked = queue(life.stores, kind, f"{kind}/test", args)
    assert asked is not None
    Worker(life.stores, "w", handlers_of(life.workspace)).drain()
    with life.stores.ledger.read() as tx:
        return tx.jobs.get(asked.id)


def jobs(life: Life) -> list[Job]:
    with life.stores.ledger.read() as tx:
        return tx.jobs.list(life.stores.project)


def drifted(life: Life) -> None:
    for day in range(3):
        life.decide(day, 96, shift=1.5)


def test_a_look_is_done_and_remembered(life: Life) -> None:
    life.decide(0, 24)
    done = work(life, "watch", {"endpoint": "late", "until_us": START_US + DAY_US})
    assert (done.state, done.result["predictions"], done.result["windows"]) == (JobState.DONE, 24, 1)
    assert len(life.windows) == 1


def test_a_look_without_a_time_is_now(life: Life) -> None:
    life.decide(0, 24)
    assert queue_watch(life.workspace, "late") is not None
    assert queue_watch(life.workspace, "late") is None
    Worker(life.stores, "w", handlers_of(life.workspace)).drain()
    assert len(life.windows) == 1


def test_a_look_that_is_under_way_is_waited_for_and_another_one_done(life: Life) -> None:
    """The first one may be of another time: what it found is not the answer."""
    life.decide(0, 24)
    first = queue_watch(life.workspace, "late", until_us=START_US)
    heard: list[str] = []
    ledger, now_us = life.stores.ledger, life.stores.clock.now_us()
    with ledger.write() as tx:
        leased = tx.jobs.lease(life.stores.project, holder="elsewhere", now_us=now_us, until_us=now_us + 60_000_000)
    assert leased is not None
    assert first is not None
    assert leased.id == first.id

    def done(said: str) -> None:
        heard.append(said)
        with ledger.write() as tx:
            tx.jobs.finish(msgspec.structs.replace(leased, state=JobState.DONE))

    here = Worker(life.stores, "here", handlers_of(life.workspace))
    look_at(life.workspace, here, "late", until_us=START_US + DAY_US, say=done)
    assert heard == ["worker elsewhere is looking at it now; waiting for it"]
    assert len(life.windows) == 1


def test_a_look_that_a_worker_takes_is_waited_for(life: Life) -> None:
    life.decide(0, 24)
    stop = threading.Event()
    there = Worker(life.stores, "there", handlers_of(life.workspace))
    idle = Worker(life.stores, "idle", handlers_of(life.workspace))
    idle.step = lambda: False  # type: ignore[method-assign]
    thread = threading.Thread(target=there.run, args=(stop,))
    thread.start()
    try:
        look_at(life.workspace, idle, "late", until_us=START_US + DAY_US, say=lambda _: None)
    finally:
        stop.set()
        thread.join()
    assert len(life.windows) == 1


def test_a_look_that_fails_says_why(
    life: Life, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise Invalid("the log is on the moon")

    monkeypatch.setattr(handlers, "watch_endpoint", fail)
    here = Worker(life.stores, "here", handlers_of(life.workspace))
    with caplog.at_level(logging.CRITICAL, "clew.worker"), pytest.raises(Unavailable, match="the log is on the moon"):
        look_at(life.workspace, here, "late", say=lambda _: None)


def test_a_look_that_finds_drift_asks_for_one_retraining(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def retrain(monitor: Any, aliases: Any, settings: Any, **how: Any) -> retraining.Retrained:
        asked.append(how)
        return retraining.Retrained(version="v", number=4, run="r", data="", new=True)

    monkeypatch.setattr(handlers, "retrain_model", retrain)
    drifted(life)
    done = work(life, "watch", {"endpoint": "late", "until_us": START_US + 3 * DAY_US})
    assert done.result["retrain"]["kind"] == "drift"  # type: ignore[index]
    [how] = asked
    assert (how["now_us"], how["root"]) == (START_US + 3 * DAY_US, life.workspace.root)
    assert "drifted" in how["reason"]
    again = work(life, "watch", {"endpoint": "late", "until_us": START_US + 3 * DAY_US})
    assert again.result["retrain"] is None
    assert len(asked) == 1
    [retrained] = [job for job in jobs(life) if job.kind == "retrain"]
    assert (retrained.state, retrained.result["number"]) == (JobState.DONE, 4)


def test_a_retraining_that_fails_is_a_failed_job_and_waits_for_its_cool_down(
    life: Life, caplog: pytest.LogCaptureFixture
) -> None:
    (life.workspace.root / "train.py").write_text("raise ValueError('no such season')")
    drifted(life)
    with caplog.at_level(logging.CRITICAL, "clew.worker"):
        for _ in range(3):
            work(life, "watch", {"endpoint": "late", "until_us": START_US + 3 * DAY_US})
    [failed] = [job for job in jobs(life) if job.kind == "retrain"]
    assert failed.state is JobState.FAILED
    assert "no such season" in failed.reason
    assert life.trials == []


@pytest.mark.parametrize(
    ("kind", "args", "words"),
    [
        ("watch", {"endpoint": "none"}, "no endpoint named 'none'"),
        ("watch", {"until_us": 1}, "arguments that cannot be read"),
        ("watch", {"endpoint": "late", "until_us": "now"}, "arguments that cannot be read"),
        ("retrain", {"endpoint": "late"}, "arguments that cannot be read"),
    ],
)
def test_jobs_that_cannot_be_meant(
    life: Life, kind: str, args: dict[str, object], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL, "clew.worker"):
        failed = work(life, kind, args)
    assert failed.state is JobState.FAILED
    assert words in failed.reason


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (SETTINGS.partition("[retrain")[0], "nothing says how to train 'delay'"),
        (SETTINGS + '\n[endpoints.late]\nmodel = "delay"\nshadow = ["baseline"]\n', "no challenger in shadow"),
    ],
)
def test_settings_under_which_no_retraining_makes_sense(
    life: Life, settings: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    (life.workspace.root / SETTINGS_FILE).write_text(settings)
    life.workspace.settings = Workspace(life.workspace.root).settings
    with caplog.at_level(logging.CRITICAL, "clew.worker"):
        failed = work(life, "retrain", {"endpoint": "late", "until_us": 1, "reason": "by hand"})
    assert failed.state is JobState.FAILED
    assert words in failed.reason


def test_the_pipeline_ends_with_the_call_that_started_it(life: Life, tmp_path: Path) -> None:
    """A worker that is told to stop at once leaves no training behind."""
    started = tmp_path / "started"
    code = f"import os, pathlib, time\npathlib.Path({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(60)\n"
    (life.workspace.root / "train.py").write_text(code)

    def interrupt() -> None:
        while not (started.exists() and started.read_text()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        retraining._run(life.workspace.settings.retrain["delay"], life.workspace.root)
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_a_schedule_queues_a_look_at_each_endpoint(life: Life) -> None:
    schedule = Schedule(life.workspace, every_s=3600)
    schedule.look()
    assert [(job.kind, job.args["endpoint"]) for job in jobs(life)] == [("watch", "late")]
    schedule.look()
    assert len(jobs(life)) == 1
    Worker(life.stores, "w", handlers_of(life.workspace)).drain()
    schedule.look()
    assert len(jobs(life)) == 1
    schedule.look(now=True)
    assert len(jobs(life)) == 2


def test_a_schedule_that_never_looks(life: Life) -> None:
    schedule = Schedule(life.workspace, every_s=0)
    schedule.look()
    assert jobs(life) == []


def test_a_worker_outlives_a_ledger_that_is_busy(life: Life, caplog: pytest.LogCaptureFixture) -> None:
    life.decide(0, 24)
    stop, looks = threading.Event(), 0
    schedule = Schedule(life.workspace, every_s=3600)

    def before() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise Unavailable("the ledger is locked by another writer")
        if life.windows:
            stop.set()
        schedule.look()

    with caplog.at_level(logging.CRITICAL, "clew.worker"):
        Worker(life.stores, "w", handlers_of(life.workspace)).run(stop, before=before)
    assert len(life.windows) == 1


def test_a_drain_ends_when_it_is_told_to(life: Life) -> None:
    for number in range(3):
        queue(life.stores, "count", str(number), {})
    stop = threading.Event()

    def count(job: Job) -> dict[str, object]:
        stop.set()
        return {}

    assert Worker(life.stores, "w", {"count": count}).drain(stop) == 1
