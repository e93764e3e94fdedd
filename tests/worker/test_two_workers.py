"""Two workers as real processes: one is killed in the middle of a job, and the other takes it over."""

from __future__ import annotations

import os

import psutil

from clew.core.types.endpoint import TrialState
from clew.core.types.job import JobState
from clew.core.types.run import RunKind, RunStatus
from clew.loop.monitor import DAY_US
from clew.testing.commands import Commands
from clew.testing.life import MODEL, SETTINGS, START_US, TRAIN, Life
from clew.tracking.adopt import adopt
from clew.worker.handlers import RETRAIN
from clew.worker.worker import queue

SLOW_ONCE = TRAIN.replace(
    "    rows = flights.frame()\n",
    """
    import os, pathlib, time
    first = pathlib.Path("first")
    if not first.exists():
        first.write_text(str(os.getpid()))
        time.sleep(600)
    rows = flights.frame()
""",
)


def lives(pid: int) -> bool:
    """Whether a process is more than a name that nobody has asked for yet."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_retraining_whose_worker_is_killed_is_done_once_by_the_other(life: Life, commands: Commands) -> None:
    data = 'pipeline = "train.py:train"\ndata = { flights = "flights@latest" }'
    life.teach(SLOW_ONCE, settings=SETTINGS.replace('pipeline = "train.py:train"', data))
    workers = [commands.start("worker", "--every", "0") for _ in range(2)]
    args: dict[str, object] = {"endpoint": "late", "until_us": START_US + DAY_US, "reason": "by hand"}
    assert queue(life.stores, RETRAIN, f"{RETRAIN}/{MODEL}", args) is not None
    first = life.workspace.root / "first"
    trainer = int(commands.until(lambda: (first.exists() and first.read_text()) or None))
    [held] = life.jobs(RETRAIN)
    assert held.state is JobState.LEASED
    victim = int(held.holder.split("/")[1])
    assert victim in [worker.pid for worker in workers]

    os.kill(victim, 9)

    done = commands.until(lambda: next((j for j in life.jobs(RETRAIN) if j.state is not JobState.LEASED), None))
    assert (done.state, done.attempts, done.result["number"]) == (JobState.DONE, 2, 4), done.reason
    assert int(done.holder.split("/")[1]) in {worker.pid for worker in workers} - {victim}
    commands.until(lambda: None if lives(trainer) else True)
    assert [job.state for job in life.jobs(RETRAIN)] == [JobState.DONE]
    assert next(version.number for version in life.workspace.models.versions(MODEL).items) == 4
    assert [trial.state for trial in life.trials] == [TrialState.RUNNING]
    assert len(life.events("trial.began")) == 1
    assert [event.facts["to"] for event in life.events("alias.moved") if event.facts["alias"] == "challenger"] == [4]
    adopt(life.workspace.runs, life.stores.objects, life.stores.folder)  # what a look of a worker does now and then
    with life.stores.ledger.read() as tx:
        runs = [run for run in tx.runs.list(life.stores.project).items if run.kind is RunKind.RETRAIN]
    assert [run.status for run in runs] == [RunStatus.FINISHED, RunStatus.KILLED]
