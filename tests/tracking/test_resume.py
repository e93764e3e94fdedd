"""Runs that go on, runs that are forked, and runs that are asked to stop."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Invalid, NotFound
from clew.core.types.run import RunStatus
from clew.tracking.adopt import adopt, journals_folder
from clew.tracking.fork import fork_of
from clew.tracking.line import Line
from clew.tracking.recorder import Recorder
from clew.tracking.runs import LedgerRuns
from clew.tracking.series import join, points_of
from clew.tracking.start import start
from clew.tracking.stop import STOP_TAG


def steps(stores: Stores, run: str, key: str = "loss") -> list[float]:
    return join(points_of(block) for block in LedgerRuns(stores).blocks(run, key)).steps.tolist()


@pytest.mark.parametrize("how", ["id", "name", "prefix"])
def test_a_run_goes_on_where_it_ended(stores: Stores, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    with (  # noqa: PT012
        pytest.raises(ZeroDivisionError),
        start(Recorder.of(stores), "long", params={"lr": 0.1}) as first,
    ):
        print("epoch 1")
        for value in range(5):
            first.log(loss=value)
        raise ZeroDivisionError
    known = {"id": first.id, "name": "long", "prefix": first.id[:20]}[how]
    with start(Recorder.of(stores), resume=known, tags={"again": "yes"}) as second:
        assert second.info.status is RunStatus.RUNNING
        print("epoch 2")
        second.log(loss=9)
        second.log(loss=10, step=20)
    run = LedgerRuns(stores).get(first.id)
    assert (run.status, run.reason, run.params, run.tags) == (
        RunStatus.FINISHED,
        "",
        {"lr": 0.1},
        {"again": "yes"},
    )
    assert steps(stores, first.id) == [0, 1, 2, 3, 4, 5, 20]
    (console,) = LedgerRuns(stores).artifacts(first.id)
    assert stores.objects.get(console.digest) == b"epoch 1\nepoch 2\n"
    with stores.ledger.read() as tx:
        kinds = [event.kind for event in tx.events.list(stores.project, subject=f"run:{first.id}").items]
    assert kinds.count("run.resumed") == 1
    assert kinds.count("run.ended") == 2


_AGAIN = """
import sys
from pathlib import Path
from clew.testing.project import open_stores
from clew.tracking.recorder import Recorder
from clew.tracking.start import start
with start(Recorder.of(open_stores(Path(sys.argv[1]))), resume=sys.argv[2]) as run:
    print("other begins", flush=True)
    sys.stdin.readline()
    print("other ends")
    run.save("other.txt", "late")
    run.log(loss=1)
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_run_that_two_processes_let_go_on_ends_with_the_last_one(stores: Stores, killed: bool) -> None:
    with start(Recorder.of(stores), "both", capture=False) as first:
        pass
    said: list[str] = []
    run = start(Recorder.of(stores), resume=first.id, say=said.append)
    print("one begins")
    words = [sys.executable, "-c", _AGAIN, str(stores.folder), first.id]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        run.log(loss=0)
        run.finish(RunStatus.FAILED, reason="of no account")
        assert LedgerRuns(stores).get(first.id).status is RunStatus.RUNNING
        if killed:
            other.kill()
        other.communicate(b"go on\n")
    adopt(LedgerRuns(stores), stores.objects, stores.folder)
    assert said == ["run both goes on in another process, which ends it"]
    files = {each.path: stores.objects.get(each.digest) for each in LedgerRuns(stores).artifacts(first.id)}
    status = LedgerRuns(stores).get(first.id).status
    if killed:
        assert (status, steps(stores, first.id)) == (RunStatus.KILLED, [0])
    else:
        assert (status, len(steps(stores, first.id))) == (RunStatus.FINISHED, 2)
        assert files == {"other.txt": b"late", "console.txt": b"one begins\nother begins\nother ends\n"}
    assert list(journals_folder(stores.folder).iterdir()) == []


def test_of_two_processes_that_end_at_once_one_ends_the_run(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    with start(Recorder.of(stores), "both", capture=False) as first:
        pass
    one, two = [start(Recorder.of(stores), resume=first.id, capture=False, say=lambda _: None) for _ in "ab"]
    close = Line.close

    def closes(line: Line, *, delete: bool) -> None:
        monkeypatch.undo()
        two.finish()
        close(line, delete=delete)

    monkeypatch.setattr(Line, "close", closes)
    one.finish()
    assert LedgerRuns(stores).get(first.id).status is RunStatus.FINISHED
    assert list(journals_folder(stores.folder).iterdir()) == []


def test_a_fork_is_a_new_run_with_the_history_of_another_one(stores: Stores) -> None:
    with start(Recorder.of(stores), "trunk", params={"lr": 0.1, "depth": 3}, capture=False) as trunk:
        for step in range(10_000):
            trunk.log(loss=step / 7, step=step)
    with start(Recorder.of(stores), params={"lr": 0.5}, fork="trunk@6000", capture=False) as branch:
        branch.log(loss=0.0, step=6001)
    assert steps(stores, branch.id) == list(range(6002))
    assert steps(stores, trunk.id) == list(range(10_000))
    run = LedgerRuns(stores).get(branch.id)
    assert (run.params, run.tags) == ({"lr": 0.5, "depth": 3}, {"clew.fork": f"{trunk.id}@6000"})
    with stores.ledger.read() as tx:
        assert [edge.source for edge in tx.edges.up(f"run:{branch.id}", depth=1)] == [f"run:{trunk.id}"]


@pytest.mark.parametrize("text", ["trunk", "@5", "trunk@", "trunk@x", "trunk@1;2"])
def test_what_names_no_step_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="names no step"):
        fork_of(text)


@pytest.fixture(params=[signal.default_int_handler, signal.SIG_IGN, signal.SIG_DFL], ids=["heard", "ignored", "deadly"])
def _ctrl_c(request: pytest.FixtureRequest) -> Iterator[None]:
    """What this process does on Ctrl-C: a shell lets what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, request.param)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c")
def test_a_run_that_is_asked_to_stop_is_interrupted(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.tracking.drain.BEAT_S", 0.05)
    said: list[str] = []
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt),
        start(Recorder.of(stores), capture=False, say=said.append) as run,
    ):
        LedgerRuns(stores).describe(run.id, tags={STOP_TAG: "ann"})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            time.sleep(0.01)
    kept = LedgerRuns(stores).get(run.id)
    assert (kept.status, kept.reason) == (RunStatus.INTERRUPTED, "stopped by ann")
    assert said == [f"ann asks run {run.name} to stop"]


@pytest.mark.parametrize("fork", ["trunk", "nothing@3", f"{'0' * 32}@3"])
def test_a_fork_of_nothing_begins_no_run(stores: Stores, fork: str) -> None:
    with pytest.raises((Invalid, NotFound)):
        start(Recorder.of(stores), fork=fork, capture=False)
    assert LedgerRuns(stores).list().items == []
    assert list(journals_folder(stores.folder).iterdir()) == []


def test_a_run_that_fails_as_it_begins_was_killed(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(LedgerRuns, "fork", broken)
    with start(Recorder.of(stores), "trunk", capture=False):
        pass
    with pytest.raises(ZeroDivisionError):
        start(Recorder.of(stores), fork="trunk@3", capture=False)
    adopt(LedgerRuns(stores), stores.objects, stores.folder)
    assert [run.status for run in LedgerRuns(stores).list().items] == [RunStatus.KILLED, RunStatus.FINISHED]


def test_a_run_that_cannot_go_on_stays_as_it_ended(stores: Stores) -> None:
    with start(Recorder.of(stores), "long", params={"lr": 0.1}, capture=False) as run:
        run.log(loss=1.0)
    ended = LedgerRuns(stores).get(run.id)
    with pytest.raises(Conflict, match="lr"):
        start(Recorder.of(stores), resume="long", params={"lr": 0.2}, capture=False)
    assert LedgerRuns(stores).get(run.id) == ended
    assert list(journals_folder(stores.folder).iterdir()) == []


def test_a_fork_tells_its_step_to_the_last_digit(stores: Stores) -> None:
    with start(Recorder.of(stores), "trunk", capture=False) as trunk:
        for step in (1234567, 1234568):
            trunk.log(loss=0.0, step=step)
    for step, count in (("1234567", 1), ("1234567.5", 1), ("1234568", 2)):
        with start(Recorder.of(stores), fork=f"trunk@{step}", capture=False) as branch:
            pass
        assert LedgerRuns(stores).get(branch.id).tags == {"clew.fork": f"{trunk.id}@{step}"}
        assert len(steps(stores, branch.id)) == count
