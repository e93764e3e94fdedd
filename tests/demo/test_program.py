"""Programs beside the replay: started when they are gone, ended with it, and never in an endless circle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clew.core.errors import Unavailable
from clew.demo import program
from clew.demo.program import Program
from clew.workspace import init_project

WORKER = ["worker", "--every", "0"]


@pytest.fixture
def worker(tmp_path: Path) -> Program:
    return Program(WORKER, folder=init_project(tmp_path / "p"), log=tmp_path / "logs" / "worker.log")


def test_a_program_is_started_once_and_again_when_it_was_killed(worker: Program) -> None:
    assert (worker.pid, worker.ensure()) == (0, True)
    first = worker.pid
    assert not worker.ensure()
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert worker.pid == 0
    assert worker.ensure()
    second = worker.pid
    assert second not in (0, first)
    worker.stop()
    worker.stop()
    assert worker.pid == 0
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


def test_one_that_ends_again_and_again_is_given_up_with_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "_MOST_DEATHS", 1)
    broken = Program(["no-such-command"], folder=tmp_path, log=tmp_path / "log")
    assert broken.ensure()
    os.waitid(os.P_PID, broken.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(Unavailable, match=r"ended 1 times[^\n]*\n.*no command named 'no-such-command'"):
        broken.ensure()


def test_one_that_others_kill_is_started_again_for_long(worker: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_MOST_KILLS", 5)
    for _ in range(5):
        worker.ensure()
        pid = worker.pid
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(Unavailable, match="ended 5 times"):
        worker.ensure()


@pytest.mark.skipif(sys.platform != "linux", reason="the test waits with a pidfd")
def test_a_program_ends_when_its_starter_is_killed(worker: Program, tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from clew.demo.program import Program\n"
        f"one = Program({WORKER!r}, folder=Path({str(tmp_path / 'p')!r}), log=Path({str(tmp_path / 'log')!r}))\n"
        "one.ensure(); print(one.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    handle = os.pidfd_open(pid)
    starter.kill()
    starter.wait()
    starter.stdout.close()
    import select

    gone, _, _ = select.select([handle], [], [], 30)
    os.close(handle)
    assert gone, "the worker outlives the replay"
