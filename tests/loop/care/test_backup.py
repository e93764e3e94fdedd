"""A backup is one state of the project, taken while it is written, and comes back whole."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path

import pytest

from clew.core.errors import Exists, Invalid, NotFound
from clew.core.types.run import RunStatus
from clew.loop.care.backup import BackedUp, back_up, ledgers_of, restore
from clew.loop.doctor.needs import needs
from clew.testing.clock import ManualClock
from clew.testing.life import Life
from clew.tracking.adopt import adopt
from clew.tracking.start import start
from clew.workspace import Workspace, init_project


def backed_up(workspace: Workspace, target: Path, *, keep: int = 3) -> BackedUp:
    return back_up(workspace.stores, workspace.root, target, keep=keep, tell=lambda _: None)


def came_back(backup: Path, root: Path, *, at_us: int | None = None) -> list[str]:
    return restore(backup, root, at_us=at_us, tell=lambda _: None).damaged


def kept(workspace: Workspace) -> dict[str, bytes]:
    with workspace.stores.ledger.read() as tx:
        digests = {digest for digest, _ in needs(tx, workspace.stores.project, workspace.stores.objects) if digest}
    return {digest: workspace.stores.objects.get(digest) for digest in digests}


def test_a_project_comes_back_as_it_was(life: Life, tmp_path: Path) -> None:
    life.label(life.decide(0, 24), day=1)
    life.end_replica()
    life.watch(2.0)
    before = kept(life.workspace)
    first = backed_up(life.workspace, tmp_path / "backup")
    assert first.live >= len(before)
    again = backed_up(life.workspace, tmp_path / "backup")
    assert (again.copied, again.live) == (0, first.live)
    assert came_back(tmp_path / "backup", tmp_path / "back") == []
    with Workspace(tmp_path / "back") as workspace:
        assert kept(workspace) == before
        assert workspace.models.resolve("delay@champion").number == 1
        assert workspace.settings == life.workspace.settings


def test_each_moment_can_come_back(tmp_path: Path) -> None:
    init_project(tmp_path / "p")
    clock = ManualClock()
    with Workspace(tmp_path / "p", clock=clock) as workspace:
        for name in ("one", "two", "three"):
            clock.advance(1_000_000)
            with start(workspace.recorder, name, capture=False) as run:
                run.save("note.txt", name)
            clock.advance(1_000_000)
            backed_up(workspace, tmp_path / "backup", keep=2)
    moments = [int(path.stem) for path in ledgers_of(tmp_path / "backup")]
    assert len(moments) == 2
    came_back(tmp_path / "backup", tmp_path / "older", at_us=moments[0])
    with Workspace(tmp_path / "older") as workspace:
        assert [run.name for run in workspace.runs.list().items] == ["two", "one"]
    with pytest.raises(Invalid, match="the oldest moment"):
        came_back(tmp_path / "backup", tmp_path / "oldest", at_us=moments[0] - 1)


def test_a_run_under_way_comes_back_with_what_it_had_logged(tmp_path: Path) -> None:
    init_project(tmp_path / "p")
    with Workspace(tmp_path / "p") as workspace:
        with start(workspace.recorder, "under way", capture=False) as run:
            for step in range(5000):
                run.log(loss=step, step=step)
            backed_up(workspace, tmp_path / "backup")
        came_back(tmp_path / "backup", tmp_path / "back")
    with Workspace(tmp_path / "back") as workspace:
        adopt(workspace.runs, workspace.stores.objects, workspace.folder)
        assert workspace.runs.get(run.id).status is RunStatus.KILLED
        (series,) = workspace.runs.summaries([run.id])
        assert (series.count, series.last) == (5000, 4999)


def test_decisions_that_wait_come_back(life: Life, tmp_path: Path) -> None:
    names = life.decide(0, 24)
    life.label(names, day=1)
    backed_up(life.workspace, tmp_path / "backup")
    came_back(tmp_path / "backup", tmp_path / "back")
    back = Life(tmp_path / "back")
    back.watch(2.0)
    assert [(window.rows, window.labels) for window in back.windows] == [(24, 24)]
    back.close()


def test_a_backup_that_is_killed_takes_nothing_from_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waited then is in no ledger of it."""
    init_project(tmp_path / "p")
    module = import_module("clew.loop.care.backup")

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with Workspace(tmp_path / "p") as workspace:
        with start(workspace.recorder, "under way", capture=False) as run:
            for step in range(100):
                run.log(loss=step, step=step)
            backed_up(workspace, tmp_path / "backup")
        with monkeypatch.context() as patched:
            patched.setattr(module, "_copy_ledger", dies)
            with pytest.raises(KeyboardInterrupt):
                backed_up(workspace, tmp_path / "backup")
    came_back(tmp_path / "backup", tmp_path / "back")
    with Workspace(tmp_path / "back") as workspace:
        adopt(workspace.runs, workspace.stores.objects, workspace.folder)
        (series,) = workspace.runs.summaries([run.id])
        assert series.count == 100
    with Workspace(tmp_path / "p") as workspace:
        backed_up(workspace, tmp_path / "backup", keep=1)
    (ledger,) = ledgers_of(tmp_path / "backup")
    assert [folder.name for folder in (tmp_path / "backup" / "waiting").iterdir()] == [ledger.stem]


def test_it_agrees_with_itself_while_others_write(tmp_path: Path) -> None:
    init_project(tmp_path / "p")
    stop = threading.Event()

    def write() -> None:
        with Workspace(tmp_path / "p") as workspace:
            while not stop.is_set():
                with start(workspace.recorder, "r", capture=False, parent="") as run:
                    run.save("a.txt", f"{run.id} " * 500)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with Workspace(tmp_path / "p") as workspace:
            for _ in range(4):
                backed_up(workspace, tmp_path / "backup")
    finally:
        stop.set()
        writer.join()
    for at, moment in enumerate(ledgers_of(tmp_path / "backup")):
        assert came_back(tmp_path / "backup", tmp_path / f"back{at}", at_us=int(moment.stem)) == []
        with Workspace(tmp_path / f"back{at}") as workspace:
            kept(workspace)


def test_journals_may_go_while_they_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init_project(tmp_path / "p")
    with Workspace(tmp_path / "p") as workspace:
        journals = workspace.folder / "journals"
        for run in ("a", "b", "c"):
            (journals / run).mkdir(parents=True)
            for name in ("1", "2"):
                (journals / run / name).write_bytes(b"points")
        copyfile = shutil.copyfile

        def drain_the_others(source: Path, target: Path) -> None:
            copyfile(source, target)
            for other in journals.iterdir():
                if other != source.parent:
                    shutil.rmtree(other)
            next(path for path in source.parent.iterdir() if path != source).unlink()

        with monkeypatch.context() as patch:
            patch.setattr(shutil, "copyfile", drain_the_others)
            backed_up(workspace, tmp_path / "backup")
        assert len([path for path in (tmp_path / "backup" / "waiting").rglob("*") if path.is_file()]) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from clew.loop.care.backup import back_up, restore
from clew.workspace import Workspace
verb, one, two, left = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
def count(event, args):
    global left
    if event in ("open", "os.rename", "os.remove", "os.mkdir", "sqlite3.connect"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
if verb == "restore":
    sys.addaudithook(count)
    restore(one, two, tell=lambda _: None)
else:
    with Workspace(one) as workspace:
        sys.addaudithook(count)
        back_up(workspace.stores, one, two, tell=lambda _: None)
"""


@pytest.mark.parametrize("kill_at", [3, 12, 20, 28, 36])
@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_killed_anywhere_the_same_command_goes_on(tmp_path: Path, verb: str, kill_at: int) -> None:
    init_project(tmp_path / "p")
    with Workspace(tmp_path / "p") as workspace:
        with start(workspace.recorder, "r", capture=False) as run:
            for at in range(6):
                run.save(f"{at}.txt", f"content {at} " * 200)
        if verb == "restore":
            backed_up(workspace, tmp_path / "backup")
        before = kept(workspace)
    places = ("p", "backup") if verb == "backup" else ("backup", "back")
    command = [sys.executable, "-c", KILLED, verb, *(str(tmp_path / place) for place in places), str(kill_at)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    if verb == "backup":
        assert all(path.stat().st_size for path in ledgers_of(tmp_path / "backup"))
        with Workspace(tmp_path / "p") as workspace:
            backed_up(workspace, tmp_path / "backup")
    if not (tmp_path / "back" / ".clew").exists():
        assert came_back(tmp_path / "backup", tmp_path / "back") == []
    with Workspace(tmp_path / "back") as workspace:
        assert kept(workspace) == before


def test_damage_is_told(tmp_path: Path) -> None:
    init_project(tmp_path / "p")
    with Workspace(tmp_path / "p") as workspace:
        with start(workspace.recorder, "r", capture=False) as run:
            run.save("a.txt", "content " * 100)
        backed_up(workspace, tmp_path / "backup")
        (file,) = [path for path in (tmp_path / "backup" / "objects" / "loose").rglob("*") if path.is_file()]
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.chmod(0o644)
        file.write_bytes(data)
        (damaged,) = came_back(tmp_path / "backup", tmp_path / "back")
        assert file.name in damaged


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    init_project(tmp_path / "p")
    with Workspace(tmp_path / "p") as workspace:
        with pytest.raises(Invalid, match="within the project"):
            backed_up(workspace, tmp_path / "p" / ".clew" / "backup")
        with pytest.raises(Invalid, match="within the project"):
            backed_up(workspace, tmp_path / "p" / "backup")
        backed_up(workspace, tmp_path / "backup")
        workspace.accounts.add_project("other")
        with pytest.raises(Invalid, match="the bytes of other"):
            backed_up(workspace, tmp_path / "backup")
    with pytest.raises(Exists):
        came_back(tmp_path / "backup", tmp_path / "p")
    with pytest.raises(NotFound):
        came_back(tmp_path / "nothing", tmp_path / "back")
    with pytest.raises(Invalid, match=r"the oldest moment in .*backup is of 20") as caught:
        came_back(tmp_path / "backup", tmp_path / "back", at_us=1)
    assert "--until 20" in caught.value.hint
