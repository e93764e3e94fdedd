"""A worker that was killed holds nobody up; one that only sleeps keeps what it has."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clew.core.contracts.stores import Stores
from clew.core.types.job import Job, JobState
from clew.testing.project import open_stores
from clew.worker.presence import Presence
from clew.worker.worker import Worker, queue

HOLDER = """
import sys, time
from pathlib import Path
from clew.testing.project import open_stores
from clew.worker.presence import Presence
from clew.worker.worker import Worker
stores = open_stores(Path(sys.argv[1]))
presence = Presence(stores.folder, stores.ids)
def work(job):
    print("at it", flush=True)
    time.sleep(60)
Worker(stores, presence.holder, {"work": work}, presence=presence).step()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """A worker in the middle of a job."""
    worker = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "at it\n"
    return worker


def end(worker: subprocess.Popen[str]) -> None:
    worker.kill()
    worker.wait()
    assert worker.stdout is not None
    worker.stdout.close()


def work(stores: Stores) -> int:
    def done(job: Job) -> dict[str, object]:
        return {"attempts": job.attempts}

    with Presence(stores.folder, stores.ids) as presence:
        return Worker(stores, presence.holder, {"work": done}, presence=presence).drain()


def test_what_a_killed_worker_held_is_taken_over_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stores = open_stores(tmp_path)
    asked = queue(stores, "work", "w", {})
    assert asked is not None
    holder = hold(tmp_path)
    assert work(stores) == 0, "it lives"
    os.kill(holder.pid, signal.SIGSTOP)
    assert work(stores) == 0, "it sleeps, and its lease runs"
    end(holder)
    assert work(stores) == 1
    with stores.ledger.read() as tx:
        job = tx.jobs.get(asked.id)
    assert (job.state, job.result, job.fence) == (JobState.DONE, {"attempts": 2}, 2)
    assert "is free again" in caplog.text
    assert list((tmp_path / "workers").iterdir()) == []
    stores.ledger.close()


def test_a_worker_of_another_machine_keeps_its_lease(tmp_path: Path) -> None:
    stores = open_stores(tmp_path)
    queue(stores, "work", "w", {})
    now_us = stores.clock.now_us()
    with stores.ledger.write() as tx:
        tx.jobs.lease("p", holder="elsewhere/1/" + "0" * 32, now_us=now_us, until_us=now_us + 60_000_000)
    assert work(stores) == 0
    stores.ledger.close()


def test_what_dead_workers_left_is_cleaned_up(tmp_path: Path) -> None:
    stores = open_stores(tmp_path)
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / stores.ids()).touch()
    (tmp_path / "workers" / f"{stores.ids()}.new").touch()
    assert work(stores) == 0
    assert list((tmp_path / "workers").iterdir()) == []
    stores.ledger.close()


def test_a_worker_appears_while_another_one_looks_for_the_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores, real = open_stores(tmp_path), fcntl.flock
    looked: list[int] = []

    def flock(fd: int, operation: int) -> None:
        if not looked:
            looked.append(fd)
            assert other.dead() == []  # what it takes away is not locked yet
        real(fd, operation)

    with Presence(stores.folder, stores.ids) as other:
        monkeypatch.setattr(fcntl, "flock", flock)
        with Presence(stores.folder, stores.ids) as appeared:
            assert looked
            assert sorted(path.name for path in (stores.folder / "workers").iterdir()) == [other.id, appeared.id]
            assert other.dead() == []
    stores.ledger.close()
