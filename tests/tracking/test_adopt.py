"""What a process left behind is brought home once, by whoever comes next."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clew.core.contracts.stores import Stores
from clew.core.types.run import RunKind, RunStatus
from clew.testing.project import open_stores
from clew.testing.runs import ONE, TWO, a_run
from clew.tracking import adopt as adopting
from clew.tracking.adopt import adopt, adopt_run, find_lasting, journals_folder
from clew.tracking.cut import cut_path
from clew.tracking.drain import blocks_of
from clew.tracking.ending import Ending, write_ending
from clew.tracking.journal import Journal
from clew.tracking.messages import Describe
from clew.tracking.outbox import Outbox, outbox_path
from clew.tracking.runs import LedgerRuns
from clew.tracking.segment import locked, segment_path
from clew.tracking.series import join, points_of


def left_behind(stores: Stores, *, points: int = 5, main: bool = True) -> Journal:
    """The journal of a process that is gone."""
    journal = Journal(journals_folder(stores.folder, ONE), ONE, smallest=8, main=main)
    journal.open()
    for step in range(points):
        journal.log({"loss": step / 3}, step)
    journal.close(delete=False)
    return journal


def values(stores: Stores, run: str = ONE, key: str = "loss") -> list[float]:
    return join(points_of(block) for block in LedgerRuns(stores).blocks(run, key)).values.tolist()


@pytest.fixture
def runs(stores: Stores) -> LedgerRuns:
    runs = LedgerRuns(stores)
    runs.create(a_run(), experiment="e")
    return runs


def test_a_process_that_goes_while_it_is_looked_at_lets_no_run_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Journal(tmp_path, ONE, main=False)
    other.open()
    is_main = adopting._is_main

    def goes(folder: Path, journal: str) -> bool:
        other.close(delete=True)
        return is_main(folder, journal)

    monkeypatch.setattr(adopting, "_is_main", goes)
    assert find_lasting(tmp_path, "") == []


def test_who_is_brought_home_lets_no_run_go_on(stores: Stores) -> None:
    gone = left_behind(stores)
    with locked(gone.folder, os.O_RDONLY), locked(segment_path(gone.folder, gone.id, 0)) as held:
        assert held
        assert find_lasting(gone.folder, "f" * 32) == []


def test_the_word_of_one_process_ends_no_run_that_goes_on_in_another_one(stores: Stores, runs: LedgerRuns) -> None:
    journal = Journal(journals_folder(stores.folder, ONE), ONE)
    journal.open()
    write_ending(journal.folder, "0" * 32, Ending(status=RunStatus.FINISHED, ended_us=9, reason=""))
    adopt(runs, stores.objects, stores.folder)
    assert runs.get(ONE).status is RunStatus.RUNNING
    journal.close(delete=True)


def test_points_come_home_and_the_run_was_killed(stores: Stores, runs: LedgerRuns) -> None:
    journal = left_behind(stores)
    (journal.folder / "console.txt").write_text("epoch 1\n")
    (found,) = adopt(runs, stores.objects, stores.folder)
    assert (found.run, found.points, found.killed, found.problem) == (ONE, 5, True, "")
    assert values(stores) == [step / 3 for step in range(5)]
    run = runs.get(ONE)
    assert run.status is RunStatus.KILLED
    assert runs.summaries([ONE])[0].last_time_us <= run.ended_us <= stores.clock.now_us()
    assert [stores.objects.get(a.digest) for a in runs.artifacts(ONE)] == [b"epoch 1\n"]
    assert not journal.folder.exists()
    assert adopt(runs, stores.objects, stores.folder) == []


def test_a_run_without_points_ended_when_it_last_gave_a_sign(stores: Stores) -> None:
    runs, created = LedgerRuns(stores), stores.clock.now_us()
    runs.create(a_run(created_us=created), experiment="e")
    left_behind(stores, points=0)
    (found,) = adopt(runs, stores.objects, stores.folder)
    assert found.killed
    assert runs.get(ONE).ended_us >= created


def test_a_living_journal_is_left_alone(stores: Stores, runs: LedgerRuns) -> None:
    journal = Journal(journals_folder(stores.folder, ONE), ONE)
    journal.log({"loss": 1}, 1)
    assert adopt(runs, stores.objects, stores.folder) == []
    assert runs.get(ONE).status is RunStatus.RUNNING
    journal.log({"loss": 2}, 2)
    journal.close(delete=False)
    assert [found.points for found in adopt(runs, stores.objects, stores.folder)] == [2]


def test_what_was_drained_before_the_kill_is_not_added_again(stores: Stores, runs: LedgerRuns) -> None:
    journal = Journal(journals_folder(stores.folder, ONE), ONE, smallest=8)
    for step in range(30):
        journal.log({"loss": step, "acc": step}, step)
        if step in (3, 4, 17):
            slots = journal.take(9)
            assert slots is not None
            runs.append(list(blocks_of(ONE, journal.id, slots)))
            if step != 4:
                journal.drained()
    journal.close(delete=False)
    adopt(runs, stores.objects, stores.folder)
    assert values(stores) == values(stores, key="acc") == list(range(30))


@pytest.mark.parametrize("first", ["the batch", "who adopts"])
def test_a_batch_that_was_on_its_way_lands_once(stores: Stores, runs: LedgerRuns, first: str) -> None:
    journal = Journal(journals_folder(stores.folder, ONE), ONE)
    for step in range(30):
        journal.log({"loss": step, "acc": step}, step)
        if step == 20:
            slots = journal.take(1 << 17)
            assert slots is not None
    journal.close(delete=False)
    late = list(blocks_of(ONE, journal.id, slots))
    if first == "the batch":
        runs.append(late)
    (found,) = adopt(runs, stores.objects, stores.folder)
    runs.append(late)
    assert (found.points, found.killed) == (60, True)
    assert values(stores) == values(stores, key="acc") == list(range(30))
    assert not journal.folder.exists()


def test_without_a_cut_the_ledger_is_asked(stores: Stores, runs: LedgerRuns) -> None:
    journal = Journal(journals_folder(stores.folder, ONE), ONE)
    for step in range(30):
        journal.log({"loss": step}, step)
        if step == 20:
            slots = journal.take(1 << 17)
            assert slots is not None
            runs.append(list(blocks_of(ONE, journal.id, slots)))
    journal.close(delete=False)
    cut_path(journal.folder, journal.id).unlink()
    assert [found.points for found in adopt(runs, stores.objects, stores.folder)] == [9]
    assert values(stores) == list(range(30))


def test_a_child_comes_home_without_ending_the_run(stores: Stores, runs: LedgerRuns) -> None:
    left_behind(stores, main=False)
    (found,) = adopt(runs, stores.objects, stores.folder)
    assert (found.points, found.killed) == (5, False)
    assert runs.get(ONE).status is RunStatus.RUNNING


def test_a_child_that_found_no_room_for_a_journal_ends_no_run_and_keeps_none_from_ending(
    stores: Stores, runs: LedgerRuns
) -> None:
    folder = left_behind(stores).folder
    outbox = Outbox(outbox_path(folder, "f" * 32), pytest.fail)
    outbox.add(Describe(run=ONE, tags={"from": "child"}))
    outbox.close(delete=False)
    assert sorted(found.killed for found in adopt(runs, stores.objects, stores.folder)) == [False, True]
    assert (runs.get(ONE).status, runs.get(ONE).tags) == (RunStatus.KILLED, {"from": "child"})


def test_a_long_journal_comes_home_segment_by_segment_and_once(
    stores: Stores, runs: LedgerRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_behind(stores, points=100)
    left_behind(stores, points=3, main=False)
    calls: list[str] = []
    for place, name in ((adopting, "read_segment"), (LedgerRuns, "append")):
        real = getattr(place, name)
        monkeypatch.setattr(place, name, lambda *given, n=name, r=real: (calls.append(n), r(*given))[1])
    assert sorted(found.points for found in adopt(runs, stores.objects, stores.folder)) == [3, 100]
    assert calls == ["read_segment", "append"] * 5  # no more than one segment is held at a time
    assert len(values(stores)) == 103


def test_a_journal_of_another_user_does_not_hold_up_the_others(
    stores: Stores, runs: LedgerRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.create(a_run(TWO), experiment="e")
    theirs = left_behind(stores)
    mine = Journal(journals_folder(stores.folder, TWO), TWO)
    mine.log({"loss": 1.0}, 1)
    mine.close(delete=False)
    real = os.open

    def refused(path: object, *given: int, **more: int) -> int:
        if str(path).startswith(str(theirs.folder)):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("clew.tracking.adopt.os.open", refused)
    first, second = adopt(runs, stores.objects, stores.folder)
    assert "Permission denied; it stays there" in first.problem
    assert (second.run, second.points, second.problem) == (TWO, 1, "")
    assert runs.get(ONE).status is RunStatus.RUNNING


def test_a_run_that_could_not_say_its_end_ends_that_way(stores: Stores, runs: LedgerRuns) -> None:
    journal = left_behind(stores)
    write_ending(journal.folder, journal.id, Ending(status=RunStatus.FAILED, ended_us=77, reason="it broke"))
    (found,) = adopt(runs, stores.objects, stores.folder)
    assert not found.killed
    run = runs.get(ONE)
    assert (run.status, run.ended_us, run.reason) == (RunStatus.FAILED, 77, "it broke")
    assert not journal.folder.exists()


def test_an_ended_run_takes_what_is_left_and_stays_as_it_ended(stores: Stores, runs: LedgerRuns) -> None:
    left_behind(stores)
    runs.finish(ONE, RunStatus.FINISHED, ended_us=9)
    assert [found.points for found in adopt(runs, stores.objects, stores.folder)] == [5]
    assert runs.get(ONE).status is RunStatus.FINISHED


def test_points_of_an_unknown_run_stay_and_are_named(stores: Stores) -> None:
    journal = left_behind(stores)
    (found,) = adopt(LedgerRuns(stores), stores.objects, stores.folder)
    assert "no run" in found.problem
    assert list(journal.folder.glob("*.journal"))


def test_a_run_that_died_before_it_was_created_leaves_nothing(stores: Stores) -> None:
    journal = left_behind(stores, points=0)
    (found,) = adopt(LedgerRuns(stores), stores.objects, stores.folder)
    assert found.problem == ""
    assert not journal.folder.exists()


def test_corrupt_segments_are_set_aside_and_others_come_home(stores: Stores, runs: LedgerRuns) -> None:
    journal = left_behind(stores, points=30)
    second = sorted(journal.folder.glob("*.journal"))[1]
    data = bytearray(second.read_bytes())
    data[128 + 31] = 99
    second.write_bytes(data)
    lost = 15
    (found,) = adopt(runs, stores.objects, stores.folder)
    assert found.points == 30 - lost
    assert str(second.with_suffix(".corrupt")) in found.problem
    assert second.with_suffix(".corrupt").read_bytes() == data
    assert runs.get(ONE).status is RunStatus.KILLED


def test_only_stale_unfinished_files_are_removed(stores: Stores, runs: LedgerRuns) -> None:
    folder = journals_folder(stores.folder, ONE)
    folder.mkdir(parents=True)
    old, fresh = folder / "a.000000.new", folder / "b.000000.new"
    for path in (old, fresh):
        path.write_bytes(b"")
    os.utime(old, (1, 1))
    assert adopt_run(runs, stores.objects, folder) == []
    assert [path.name for path in folder.iterdir()] == [fresh.name]


def test_the_console_of_a_living_run_without_a_journal_stays(stores: Stores, runs: LedgerRuns) -> None:
    folder = journals_folder(stores.folder, ONE)
    folder.mkdir(parents=True)
    (folder / "console.txt").write_text("epoch 1\n")
    assert adopt(runs, stores.objects, stores.folder) == []
    assert (folder / "console.txt").read_text() == "epoch 1\n"
    os.utime(folder / "console.txt", (1, 1))
    assert adopt(runs, stores.objects, stores.folder) == []
    assert not folder.exists()


def test_a_run_that_found_no_room_for_a_journal_ends_as_it_said(stores: Stores, runs: LedgerRuns) -> None:
    folder = journals_folder(stores.folder, ONE)
    folder.mkdir(parents=True)
    (folder / "console.txt").write_text("epoch 1\n")
    write_ending(folder, "a", Ending(status=RunStatus.FAILED, ended_us=77, reason="it broke"))
    assert adopt(runs, stores.objects, stores.folder) == []
    run = runs.get(ONE)
    assert (run.status, run.ended_us, run.reason) == (RunStatus.FAILED, 77, "it broke")
    assert [stores.objects.get(a.digest) for a in runs.artifacts(ONE)] == [b"epoch 1\n"]
    assert not folder.exists()


TRAINING = """
import mmap, sys
from pathlib import Path
from clew.testing.project import open_stores
from clew.tracking.recorder import Recorder
from clew.tracking.start import start
with open(sys.argv[2], "r+b") as file:
    seen = mmap.mmap(file.fileno(), 8)
run = start(Recorder.of(open_stores(Path(sys.argv[1]))), "loop", capture=False)
step = 0
while True:
    run.log(loss=step / 7, acc=-step, step=step)
    step += 1
    seen[:8] = step.to_bytes(8, "little")
    if step % 4000 == 0:
        run.flush()
"""


@pytest.mark.parametrize("threshold", [1, *random.Random(9).sample(range(2, 20_000), 2)])
def test_kill_of_a_training_loses_and_doubles_nothing(tmp_path: Path, threshold: int) -> None:
    acknowledged = tmp_path / "acknowledged"
    acknowledged.write_bytes(bytes(8))
    folder = tmp_path / ".clew"
    process = subprocess.Popen([sys.executable, "-c", TRAINING, folder, acknowledged])
    while int.from_bytes(acknowledged.read_bytes(), "little") < threshold:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    steps = int.from_bytes(acknowledged.read_bytes(), "little")
    stores = open_stores(folder)
    runs = LedgerRuns(stores)
    (found,) = adopt(runs, stores.objects, folder)
    assert found.killed
    (run,) = runs.list().items
    assert (run.status, run.kind) == (RunStatus.KILLED, RunKind.SCRIPT)
    for key, scale in (("loss", 7), ("acc", -1)):
        points = join(points_of(block) for block in runs.blocks(run.id, key))
        assert steps <= len(points.steps) <= steps + 1
        assert points.steps.tolist() == list(range(len(points.steps)))
        assert points.values.tolist() == [step / scale for step in range(len(points.steps))]
    stores.ledger.close()
