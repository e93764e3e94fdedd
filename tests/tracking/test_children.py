"""Workers that share a run and live long: what they log arrives while they live, once, however they were started."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Unavailable
from clew.testing.runs import ONE, a_run
from clew.tracking.adopt import adopt, adopt_run, journals_folder
from clew.tracking.cut import cut_path
from clew.tracking.journal import Journal
from clew.tracking.recorder import Recorder
from clew.tracking.runs import LedgerRuns
from clew.tracking.segment import locked
from clew.tracking.series import join, points_of
from clew.tracking.start import start
from clew.tracking.undrained import drain_child, drain_children, turn
from clew.workspace import init_project, open_workspace

_TRAIN = """
import multiprocessing
import os
import sys
import time
from pathlib import Path
import clew

def work(run, more):
    Path("worker.pid").write_text(str(os.getpid()))
    for step in range(12_000):
        run.log({"a": step, "b": step, "c": step}, step=step)
    more.wait()
    run.log({"a": 12_000}, step=12_000)
    more.clear()
    os.close(1), os.close(2)
    time.sleep(600)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    more = context.Event()
    with clew.run("loop") as run:
        context.Process(target=work, args=(run, more)).start()
        runs, until = run.recorder.runs, time.monotonic() + 60
        while [each.count for each in runs.summaries([run.id], keys="abc")] != [12_000] * 3:
            assert time.monotonic() < until, "points of a living worker do not arrive"
            time.sleep(0.05)
        more.set()
        while more.is_set():
            time.sleep(0.01)
    os._exit(0)
"""


@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver"])
def test_points_of_a_worker_arrive_while_it_lives_and_when_it_outlives_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    folder = init_project(tmp_path / "p")
    monkeypatch.chdir(folder)
    (folder / "train.py").write_text(_TRAIN)
    found = subprocess.run(
        [sys.executable, "-m", "clew", "run", "train.py", how], capture_output=True, text=True, check=False
    )
    worker = int((folder / "worker.pid").read_text())
    try:
        assert found.returncode == 0, found.stderr
        check(12_001)
    finally:
        os.kill(worker, signal.SIGKILL)
    with open_workspace() as workspace:
        adopt(workspace.runs, workspace.objects, workspace.folder)
    check(12_001)


def check(count: int) -> None:
    """Every step is in the ledger once, in order."""
    with open_workspace() as workspace:
        (run,) = workspace.runs.list().items
        blocks = workspace.runs.blocks(run.id, "a")
        assert join(map(points_of, blocks)).steps.tolist() == list(range(count))
        assert [each.count for each in workspace.runs.summaries([run.id], keys="bc")] == [12_000] * 2


def steps(stores: Stores) -> list[float]:
    return join(points_of(block) for block in LedgerRuns(stores).blocks(ONE, "loss")).steps.tolist()


def test_what_could_not_be_stored_is_sent_again_as_it_was(stores: Stores) -> None:
    runs, folder = LedgerRuns(stores), journals_folder(stores.folder, ONE)
    runs.create(a_run(), experiment="e")
    journal = Journal(folder, ONE, main=False, child=True, smallest=8)
    arrives, answers = cycle([False, True, True]), cycle([True, False, True, True])

    def unstable(blocks: object) -> None:
        if next(arrives):
            runs.append(blocks)  # type: ignore[arg-type]
            if next(answers):
                return
        raise Unavailable("gone")

    for step in range(40):
        journal.log({"loss": step}, step)
        if step % 3 == 0:
            with suppress(Unavailable):
                drain_children(unstable, folder)
    journal.close(delete=False)
    (found,) = adopt(runs, stores.objects, stores.folder)
    assert (found.killed, found.problem) == (False, "")
    assert steps(stores) == list(range(40))
    assert list(journals_folder(stores.folder).iterdir()) == []


def test_who_drains_a_child_is_alone(stores: Stores) -> None:
    runs, folder = LedgerRuns(stores), journals_folder(stores.folder, ONE)
    runs.create(a_run(), experiment="e")
    journal = Journal(folder, ONE, main=False, child=True)
    journal.log({"loss": 1}, 1)

    def meanwhile(blocks: object) -> None:
        drain_children(pytest.fail, folder)
        runs.append(blocks)  # type: ignore[arg-type]

    drain_children(meanwhile, folder)
    drain_children(pytest.fail, folder)
    assert steps(stores) == [1]
    journal.close(delete=True)


def test_a_call_that_is_under_way_in_a_child_is_waited_for(stores: Stores) -> None:
    runs, folder = LedgerRuns(stores), journals_folder(stores.folder, ONE)
    runs.create(a_run(), experiment="e")
    journal = Journal(folder, ONE, main=False, child=True)
    journal.log({"loss": 0}, 0)

    class Slow:
        def __float__(self) -> float:
            journal.log({"loss": 2}, 2)  # as a signal handler would: its point lies behind the one that waits
            drain_children(runs.append, folder)
            assert steps(stores) == [0]
            return 1.0

    journal.log({"loss": Slow()}, 1)
    drain_children(runs.append, folder)
    assert steps(stores) == [0, 1, 2]
    journal.close(delete=True)


def test_who_is_forked_from_one_that_drains_does_not_hold_the_lock(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ONE, main=False, child=True)
    journal.log({"loss": 1}, 1)
    journal.close(delete=False)
    known = journal.id  # which a fork changes
    (begun, begins), (hold, release) = os.pipe(), os.pipe()
    drains = os.fork()
    if drains == 0:
        with turn(tmp_path, known) as cut:
            if os.fork() == 0:
                os.write(begins, b"x")
                os.read(hold, 1)
            os._exit(int(cut is None))  # before it is through
    try:
        assert os.waitpid(drains, 0)[1] == 0
        os.read(begun, 1)
        with turn(tmp_path, known) as cut:
            assert cut is not None
    finally:
        os.write(release, b"x")
        for each in (begun, begins, hold, release):
            os.close(each)


def test_what_a_child_flushes_is_stored_when_that_returns(stores: Stores) -> None:
    runs, folder = LedgerRuns(stores), journals_folder(stores.folder, ONE)
    runs.create(a_run(), experiment="e")
    journal = Journal(folder, ONE, main=False, child=True)
    journal.log({"loss": 1}, 1)
    flushed: list[bool] = []
    child = threading.Thread(target=lambda: flushed.append(drain_child(runs.append, folder, journal.id)))

    def slowly(blocks: object) -> None:
        child.start()
        child.join(0.2)
        assert flushed == []
        runs.append(blocks)  # type: ignore[arg-type]

    drain_children(slowly, folder)
    child.join()
    assert (flushed, steps(stores)) == ([True], [1])
    journal.close(delete=True)


def test_a_child_that_cannot_flush_says_so(stores: Stores) -> None:
    with start(Recorder.of(stores), capture=False) as run:
        pid = os.fork()
        if pid == 0:
            run._journal._segments._mapped = False
            run.log(loss=1.0)
            try:
                run.flush()
            except Unavailable as error:
                os._exit("they stay in" in error.what)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


def test_a_child_without_room_says_that_its_points_are_not_stored(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    said: list[str] = []
    with start(Recorder.of(stores), capture=False, say=said.append) as run:
        pid = os.fork()
        if pid == 0:
            run.log(loss=0, step=0)  # the first segment has room
            monkeypatch.setattr(os, "posix_fallocate", full)
            for step in range(1, 9000):
                run.log(loss=step, step=step)
            with suppress(Unavailable):
                run.flush()
                os._exit(2)
            run.finish()
            os._exit(0 if "lost: there was no room" in said[-1] else 3)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_nobody_waits_for_ever_for_who_drains_or_brings_home(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.tracking.adopt.TURN_S", 0.05)
    monkeypatch.setattr("clew.tracking.adopt._WAIT_S", 0.05)
    runs, folder = LedgerRuns(stores), journals_folder(stores.folder, ONE)
    runs.create(a_run(), experiment="e")
    journal = Journal(folder, ONE, main=False, child=True)
    journal.log({"loss": 1}, 1)
    journal.close(delete=False)
    with turn(folder, journal.id) as cut:
        assert cut is not None
        (found,) = adopt_run(runs, stores.objects, folder)
    assert "another process has been draining it" in found.problem
    with locked(folder, os.O_RDONLY), pytest.raises(Unavailable, match=f"bringing run {ONE} home"):
        adopt_run(runs, stores.objects, folder)
    adopt_run(runs, stores.objects, folder)
    assert steps(stores) == [1]


def test_an_answer_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ONE, main=False, child=True)
    journal.log({"loss": 1}, 1)

    def answer(_: object) -> None:
        raise Corrupt("the answer is no message")

    with pytest.raises(Corrupt, match="answer"):
        drain_children(answer, tmp_path)
    journal.close(delete=True)


def test_a_child_whose_files_are_not_mapped_is_left_to_who_adopts_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path, ONE, main=False, child=True, mapped=False)
    journal.log({"loss": 1}, 1)
    assert not cut_path(tmp_path, journal.id).exists()
    drain_children(pytest.fail, tmp_path)
    journal.close(delete=True)
