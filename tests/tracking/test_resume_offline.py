"""Runs that go on while their project cannot be reached: every part becomes one run, whoever brings them home."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, NotFound, Unavailable
from clew.core.types.run import Artifact, Run, RunStatus
from clew.tracking.adopt import adopt, journals_folder
from clew.tracking.capture import Source, read_aspect
from clew.tracking.line import open_line
from clew.tracking.offline import offline_recorder
from clew.tracking.patience import Patience
from clew.tracking.ranks import Rank
from clew.tracking.recorder import Recorder
from clew.tracking.run import ActiveRun
from clew.tracking.runs import LedgerRuns
from clew.tracking.segment import locked
from clew.tracking.series import join, points_of
from clew.tracking.start import start
from clew.tracking.sync import sync, waiting_runs


@pytest.fixture
def away(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A recorder that reaches nobody, in a folder with one script."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("")
    return offline_recorder(stores.folder, "ann")


def killed(work: Callable[[], object]) -> None:
    """Do some work in a process that is killed behind it."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)


def train(recorder: Recorder, points: int = 5, **options: Any) -> ActiveRun:
    """A part of a training, which has not ended."""
    run = start(recorder, **options)
    print(f"logs {points}")
    for value in range(points):
        run.log(loss=value)
    return run


def home(stores: Stores) -> Run:
    """The only run, brought home."""
    adopt(LedgerRuns(stores), stores.objects, stores.folder)
    assert list(journals_folder(stores.folder).iterdir()) == []
    (run,) = LedgerRuns(stores).list().items
    return run


def steps(stores: Stores, run: str) -> list[float]:
    return join(points_of(block) for block in LedgerRuns(stores).blocks(run, "loss")).steps.tolist()


def events(stores: Stores, run: str) -> list[str]:
    with stores.ledger.read() as tx:
        return [event.kind for event in tx.events.list(stores.project, subject=f"run:{run}").items]


def files(stores: Stores, run: str) -> dict[str, bytes]:
    return {each.path: stores.objects.get(each.digest) for each in LedgerRuns(stores).artifacts(run)}


@pytest.mark.parametrize("how", ["id", "name", "prefix"])
def test_parts_that_were_killed_and_that_ended_become_one_run(stores: Stores, away: Recorder, how: str) -> None:
    killed(lambda: train(away, name="long", params={"lr": 0.1}, tags={"part": "1"}).save("one.txt", "1"))
    (folder,) = journals_folder(stores.folder).iterdir()
    known = {"id": folder.name, "name": "long", "prefix": folder.name[:20]}[how]
    killed(lambda: train(away, resume=known, tags={"part": "2"}).save("two.txt", "2"))
    with pytest.raises(ZeroDivisionError), train(away, resume=known) as third:  # noqa: PT012
        assert (third.name, third.params()) == ("long", {"lr": 0.1})
        raise ZeroDivisionError
    with train(away, resume=known, params={"depth": 3}) as last:
        pass
    run = home(stores)
    assert (run.id, run.name, run.status, run.reason) == (folder.name, "long", RunStatus.FINISHED, "")
    assert (run.params, run.tags, run.ended_us) == ({"lr": 0.1, "depth": 3}, {"part": "2"}, last.info.ended_us)
    assert steps(stores, run.id) == list(range(20))
    assert files(stores, run.id) == {"console.txt": b"logs 5\n" * 4, "one.txt": b"1", "two.txt": b"2"}
    assert read_aspect(stores.objects, run, "source", Source).files


def test_a_part_that_was_killed_last_leaves_a_run_that_was_killed(stores: Stores, away: Recorder) -> None:
    with train(away, name="long"):
        pass
    killed(lambda: train(away, resume="long"))
    run = home(stores)
    assert (run.status, steps(stores, run.id)) == (RunStatus.KILLED, list(range(10)))
    assert files(stores, run.id) == {"console.txt": b"logs 5\nlogs 5\n"}


def test_a_part_that_goes_on_stays_whole_while_those_before_it_come_home(stores: Stores, away: Recorder) -> None:
    killed(lambda: train(away, name="long"))
    second = train(away, resume="long")
    assert [found.points for found in adopt(LedgerRuns(stores), stores.objects, stores.folder)] == [5]
    assert [run.status for run in LedgerRuns(stores).list().items] == [RunStatus.RUNNING]
    second.finish(RunStatus.FAILED, reason="because")
    run = home(stores)
    assert (run.status, run.reason, steps(stores, run.id)) == (RunStatus.FAILED, "because", list(range(10)))
    assert files(stores, run.id) == {"console.txt": b"logs 5\nlogs 5\n"}


def test_two_processes_that_let_a_run_go_on_at_once_land_once_each(stores: Stores, away: Recorder) -> None:
    killed(lambda: train(away, name="long"))
    one, two = train(away, resume="long"), train(away, 3, resume="long")
    two.finish()
    adopt(LedgerRuns(stores), stores.objects, stores.folder)
    one.finish(RunStatus.FAILED)
    run = home(stores)
    assert sorted(steps(stores, run.id)) == sorted([*range(10), *range(10, 13)])


def test_a_run_that_waits_goes_on_where_its_project_is_in_reach_again(stores: Stores, away: Recorder) -> None:
    killed(lambda: train(away, name="long"))
    with train(Recorder.of(stores), resume="long") as run:
        assert steps(stores, run.id) == list(range(5))
    assert (home(stores).status, steps(stores, run.id)) == (RunStatus.FINISHED, list(range(10)))
    assert files(stores, run.id) == {"console.txt": b"logs 5\nlogs 5\n"}


class Gone:
    """Services that answer once they are told to."""

    def __init__(self, behind: Any) -> None:
        self.behind, self.is_back = behind, False

    def __getattr__(self, verb: str) -> Any:
        if not self.is_back:
            raise Unavailable("the server is gone")
        return getattr(self.behind, verb)


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_copy_of_a_folder_says_nothing_new(stores: Stores, away: Recorder, tmp_path: Path, goes_on: bool) -> None:
    with train(away, name="long") as run:
        run.save("one.txt", "1")
    shutil.copytree(stores.folder / "journals", tmp_path / "copy" / "journals")
    home(stores)
    if goes_on:
        with pytest.raises(ZeroDivisionError), train(Recorder.of(stores), resume="long") as again:  # noqa: PT012
            again.save("one.txt", "2")
            raise ZeroDivisionError
    before = LedgerRuns(stores).get(run.id), files(stores, run.id), events(stores, run.id)
    (found,) = sync(Recorder.of(stores), waiting_runs(tmp_path / "copy"), done=lambda _: None)
    assert (LedgerRuns(stores).get(run.id), files(stores, run.id), events(stores, run.id)) == before
    assert steps(stores, run.id) == list(range(10 if goes_on else 5))
    assert bool(found.problem) == goes_on


def test_the_whole_of_a_run_comes_home_behind_a_copy_of_its_beginning(
    stores: Stores, away: Recorder, tmp_path: Path
) -> None:
    run = train(away, name="long")
    shutil.copytree(stores.folder / "journals", tmp_path / "copy" / "journals")
    run.save("one.txt", "1")
    run.finish()
    sync(Recorder.of(stores), waiting_runs(tmp_path / "copy"), done=lambda _: None)
    assert LedgerRuns(stores).get(run.id).status is RunStatus.KILLED
    assert home(stores).status is RunStatus.FINISHED
    assert (steps(stores, run.id), files(stores, run.id)["one.txt"]) == (list(range(5)), b"1")


def test_a_server_that_comes_back_meanwhile_gets_the_parts_in_order(stores: Stores, away: Recorder) -> None:
    killed(lambda: train(away, name="long"))
    runs = Gone(LedgerRuns(stores))
    far = replace(Recorder.of(stores), runs=runs, outbox=True)
    with train(far, resume="long", say=lambda _: None) as run:
        runs.is_back = True
        run.flush()
        assert steps(stores, run.id) == list(range(10))
    assert home(stores).status is RunStatus.FINISHED
    assert files(stores, run.id) == {"console.txt": b"logs 5\nlogs 5\n"}


class Slow(LedgerRuns):
    """Runs that take some time for a file."""

    def add_artifact(self, artifact: Artifact) -> None:
        time.sleep(1.0 if artifact.path == "one.txt" else 0.0)
        super().add_artifact(artifact)


def test_who_ends_a_run_lets_others_hand_over_their_files_first(stores: Stores) -> None:
    with start(Recorder.of(stores), "both", capture=False) as first:
        pass
    far = replace(Recorder.of(stores), runs=Slow(stores), outbox=True)
    said: list[str] = []
    one, two = [start(far, resume=first.id, capture=False, say=said.append) for _ in "ab"]
    one.save("one.txt", "1")
    ends = threading.Thread(target=one.finish)
    ends.start()
    while not list(journals_folder(stores.folder, first.id).glob("*.end")):
        time.sleep(0.01)
    two.finish()
    ends.join()
    assert files(stores, first.id) == {"one.txt": b"1"}
    assert LedgerRuns(stores).get(first.id).status is RunStatus.FINISHED
    assert not any("refused" in each for each in said)


class Silent:
    """Services that take a question and never answer it."""

    def __init__(self) -> None:
        self.asked, self.never = 0, threading.Event()

    def __getattr__(self, verb: str) -> Any:
        return self._take

    def _take(self, *_: object, **__: object) -> None:
        self.asked += 1
        self.never.wait()
        raise Unavailable("the server is gone")


def test_a_run_that_another_process_brings_home_holds_up_no_other(
    stores: Stores, away: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.tracking.adopt._WAIT_S", 0.05)
    for name in ("one", "two"):
        train(away, name=name).finish()
    first, second = waiting_runs(stores.folder)
    with locked(first, os.O_RDONLY):
        found = sync(Recorder.of(stores), [first, second], done=lambda _: None)
    assert [each.state for each in found] == ["running", "stored"]


@pytest.mark.parametrize("how", ["id", "name", "fork"])
def test_a_server_that_never_answers_is_asked_once_before_a_run_goes_on(
    stores: Stores, away: Recorder, how: str
) -> None:
    with train(away, name="long", params={"lr": 0.1}) as first:
        pass
    silent = Silent()
    far = replace(Recorder.of(stores), runs=silent, objects=silent, outbox=True, wait_s=0.1, patience=Patience(0.05))
    asked = {"id": {"resume": first.id}, "name": {"resume": "long"}, "fork": {"fork": "long@4"}}[how]
    run = train(far, say=lambda _: None, **asked)
    before = silent.asked
    run.finish()
    silent.never.set()
    run._drain._thread.join()
    assert before <= 2, "one that the start waits for, and one by the drain"
    adopt(LedgerRuns(stores), stores.objects, stores.folder)
    assert LedgerRuns(stores).get(run.id).status is RunStatus.FINISHED
    assert steps(stores, run.id) == list(range(5)) + list(range(5) if how == "fork" else range(5, 10))


def test_a_run_that_began_elsewhere_is_joined_by_its_id(stores: Stores, away: Recorder) -> None:
    with train(Recorder.of(stores), name="long", params={"lr": 0.1}) as first:
        pass
    with pytest.raises(Unavailable, match="no run 'long' waits on this machine"):
        train(away, resume="long")
    said: list[str] = []
    with train(away, resume=first.id, say=said.append) as run:
        run.log(loss=1.0, step=9)
    assert f"run {first.id} began elsewhere" in said[0]
    assert (home(stores).status, steps(stores, first.id)) == (RunStatus.FINISHED, [*range(5), *range(5), 9])


def test_a_run_on_a_server_is_known_when_it_goes_on(stores: Stores, away: Recorder) -> None:
    killed(lambda: train(away, name="long", params={"lr": 0.1}))
    far = replace(Recorder.of(stores), outbox=True)
    with pytest.raises(Conflict, match="lr"):
        train(far, resume="long", params={"lr": 0.2})
    assert LedgerRuns(stores).get("long").status is RunStatus.KILLED
    with train(far, resume="long", say=pytest.fail) as run:
        assert (run.name, run.params()) == ("long", {"lr": 0.1})
    assert (home(stores).status, steps(stores, run.id)) == (RunStatus.FINISHED, list(range(10)))


def test_a_part_without_its_beginning_waits_for_it(stores: Stores, away: Recorder) -> None:
    unknown = "01900000000070008000000000000000"
    with train(away, resume=unknown):
        pass
    (found,) = sync(Recorder.of(stores), waiting_runs(stores.folder), done=lambda _: None)
    assert (found.state, found.points) == ("left", 0)
    assert f"no run named '{unknown}'" in found.problem
    with pytest.raises(NotFound):
        train(Recorder.of(stores), resume=unknown)


@pytest.mark.parametrize("online", [True, False])
def test_a_run_forks_from_one_that_waits(stores: Stores, away: Recorder, online: bool) -> None:
    killed(lambda: train(away, name="trunk"))
    with train(Recorder.of(stores) if online else away, 1, name="branch", fork="trunk@2") as branch:
        pass
    adopt(LedgerRuns(stores), stores.objects, stores.folder)
    assert steps(stores, branch.id) == [0, 1, 2, 0]
    assert steps(stores, LedgerRuns(stores).get("trunk").id) == list(range(5))


def test_ranks_that_are_started_again_offline_are_one_run(
    stores: Stores, away: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rank = Rank(0, "01900000000070008000000000000000")
    monkeypatch.setattr("clew.tracking.start.find_rank", lambda _: rank)
    killed(lambda: train(away, name="ranks"))
    with train(away, name="ranks") as run:
        run.params(late=1)
    found = home(stores)
    assert (found.id, found.status, found.params) == (run.id, RunStatus.FINISHED, {"late": 1})
    assert len(steps(stores, run.id)) == 10


def test_ranks_that_are_started_again_against_a_server_are_one_run(
    stores: Stores, away: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rank = Rank(0, "01900000000070008000000000000000")
    monkeypatch.setattr("clew.tracking.start.find_rank", lambda _: rank)
    far = replace(Recorder.of(stores), outbox=True)
    with pytest.raises(ZeroDivisionError), train(far, name="ranks", say=pytest.fail):
        raise ZeroDivisionError
    with train(far, name="ranks", say=pytest.fail) as run:
        run.params(late=1)
    assert (home(stores).status, home(stores).params) == (RunStatus.FINISHED, {"late": 1})


def test_who_comes_by_while_parts_are_brought_home_leaves_them_alone(stores: Stores, away: Recorder) -> None:
    with train(away, name="long", params={"lr": 0.1}) as one:
        one.save("one.txt", "1")
    with train(away, resume="long") as two:
        two.save("two.txt", "2")

    class Slow(LedgerRuns):
        def add_artifact(self, artifact: Artifact) -> None:
            if artifact.path == "one.txt":
                assert adopt(LedgerRuns(stores), stores.objects, stores.folder) == []
            super().add_artifact(artifact)

    (first, second) = adopt(Slow(stores), stores.objects, stores.folder)
    assert (first.problem, second.problem) == ("", "")
    assert home(stores).params == {"lr": 0.1}
    assert files(stores, one.id) == {"console.txt": b"logs 5\n" * 2, "one.txt": b"1", "two.txt": b"2"}


def test_a_run_that_contradicts_itself_is_known_by_its_name_and_spoils_no_other(away: Recorder) -> None:
    def disagree(run: ActiveRun) -> None:
        ranks = [open_line(away, run.id, pytest.fail, main=False) for _ in range(2)]
        for rank in ranks:
            rank.runs.describe(run.id, tags={"a": "b"})
        for number, rank in enumerate(ranks):
            rank.runs.describe(run.id, params={"rank": number})
            rank.close(delete=False)

    with train(away, name="ranks") as ranks:
        disagree(ranks)
    with train(away, name="other"):
        pass
    with train(away, resume="other") as other:
        assert other.name == "other"
    with train(away, resume="ranks") as again:
        assert again.id == ranks.id
