"""`clew sync` and runs that are offline, as a person and as a machine would use them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clew.cli.main import main
from clew.core.types.run import RunStatus
from clew.tracking.capture import Source, read_aspect
from clew.tracking.offline import local_folder, state_folder
from clew.tracking.series import join, points_of
from clew.workspace import init_project, open_workspace

Capture = pytest.CaptureFixture[str]

_TRAIN = """
import sys
import clew
with clew.run("far", params={"lr": 0.1}, tags={"team": "risk"}) as run:
    print("epoch 1")
    for step in range(100):
        run.log(loss=step / 3, step=step)
    run.save("notes.json", {"last": 33})
    sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = init_project(tmp_path / "flights")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (folder / "train.py").write_text(_TRAIN)
    return folder


def train(*, code: int = 0, **variables: str) -> str:
    words = [sys.executable, "train.py", str(code)]
    found = subprocess.run(words, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert found.returncode == code, found.stderr
    return found.stderr


def synced(capsys: Capture, *words: str) -> tuple[int, list[dict[str, object]]]:
    code = main(["sync", *words, "--json"])
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["items"]
    return code, found


def check(status: RunStatus) -> None:
    with open_workspace() as workspace:
        (run,) = workspace.runs.list().items
        assert (run.name, run.status, run.params, run.tags) == ("far", status, {"lr": 0.1}, {"team": "risk"})
        assert run.project == workspace.stores.project
        assert [(each.key, each.count) for each in workspace.runs.summaries([run.id], keys=["loss"])] == [("loss", 100)]
        kept = {each.path: workspace.stores.objects.get(each.digest) for each in workspace.runs.artifacts(run.id)}
        assert json.loads(kept["notes.json"]) == {"last": 33}
        assert kept["console.txt"] == b"epoch 1\n"
        source = read_aspect(workspace.stores.objects, run, "source", Source)
        train = next(file.digest for file in source.files if file.path == "train.py")
        assert workspace.stores.objects.get(train) == _TRAIN.encode()


@pytest.mark.parametrize("code", [0, 3])
def test_a_run_that_is_offline_comes_home_whole_and_once(project: Path, capsys: Capture, code: int) -> None:
    assert "clew sync" in train(code=code, CLEW_OFFLINE="1")
    with open_workspace() as workspace:
        assert workspace.runs.list().items == []
    rc, (found,) = synced(capsys)
    assert (rc, found["state"], found["points"], found["problem"]) == (0, "stored", 100, "")
    check(RunStatus.FAILED if code else RunStatus.FINISHED)
    assert synced(capsys) == (0, [])


def test_a_script_under_clew_run_can_be_offline(
    project: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEW_OFFLINE", "1")
    words = [sys.executable, "-m", "clew", "run", "train.py", "0"]
    subprocess.run(words, check=True, capture_output=True)
    monkeypatch.delenv("CLEW_OFFLINE")
    rc, found = synced(capsys)
    assert (rc, {each["state"] for each in found}) == (0, {"stored"})
    check(RunStatus.FINISHED)


def test_a_script_that_was_killed_with_clew_run_goes_on_offline(
    project: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "killed.py").write_text(
        _TRAIN.replace("range(100)", "range(60)").replace("sys.exit(", "import os; os.kill(os.getppid(), 9); sys.exit(")
    )
    monkeypatch.setenv("CLEW_OFFLINE", "1")
    first = [sys.executable, "-m", "clew", "run", "killed.py", "0"]
    assert subprocess.run(first, check=False, capture_output=True).returncode == -9
    (project / "train.py").write_text(_TRAIN.replace("range(100)", "range(60, 100)"))
    assert main(["run", "--resume", "nobody", "train.py", "0"]) != 0
    assert "no run 'nobody' waits on this machine" in capsys.readouterr().err
    assert main(["run", "--resume", "far", "train.py", "0"]) == 0
    assert "run far finished: clew sync, then clew runs show far" in capsys.readouterr().err
    monkeypatch.delenv("CLEW_OFFLINE")
    assert [each["state"] for each in synced(capsys)[1]] == ["stored"]
    with open_workspace() as workspace:
        (run,) = workspace.runs.list().items
        assert (run.name, run.status) == ("far", RunStatus.FINISHED)
        blocks = workspace.runs.blocks(run.id, "loss")
        assert join(map(points_of, blocks)).steps.tolist() == list(range(100))
        kept = {each.path: workspace.stores.objects.get(each.digest) for each in workspace.runs.artifacts(run.id)}
        assert kept["console.txt"] == b"epoch 1\n" * 2


def test_a_folder_from_another_machine_goes_where_it_is_told(
    project: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(CLEW_OFFLINE="1")
    shutil.move(project / ".clew" / "journals", tmp_path / "stick")
    shutil.copytree(tmp_path / "stick", tmp_path / "twice")
    monkeypatch.chdir(init_project(tmp_path / "home"))
    assert [each["state"] for each in synced(capsys, str(tmp_path / "stick"))[1]] == ["stored"]
    check(RunStatus.FINISHED)
    assert [each["points"] for each in synced(capsys, str(tmp_path / "twice"))[1]] == [0]
    check(RunStatus.FINISHED)


def test_where_no_project_can_be_a_run_waits_in_the_state_folder(
    project: Path, tmp_path: Path, capsys: Capture
) -> None:
    words = [sys.executable, str(project / "train.py"), "0"]
    found = subprocess.run(words, cwd="/proc", capture_output=True, text=True, check=True)
    assert "stays on this machine until clew sync" in found.stderr
    (waiting,) = (tmp_path / "state" / "clew").iterdir()
    assert [each["state"] for each in synced(capsys, str(waiting))[1]] == ["stored"]
    check(RunStatus.FINISHED)


def test_a_ledger_that_is_gone_keeps_no_run_from_training(project: Path, tmp_path: Path, capsys: Capture) -> None:
    with open_workspace() as workspace:
        workspace.objects.put(b"something")
    (project / ".clew" / "ledger.db").rename(tmp_path / "ledger.db")
    assert "is gone" in train()
    words = [sys.executable, "-m", "clew", "run", "train.py", "0"]
    assert "clew sync, then" in subprocess.run(words, check=True, capture_output=True, text=True).stderr
    assert main(["sync"]) != 0
    (tmp_path / "ledger.db").rename(project / ".clew" / "ledger.db")
    capsys.readouterr()
    assert [each["state"] for each in synced(capsys)[1]] == ["stored"] * 2


def test_a_folder_without_runs_has_nothing_to_store(project: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty").mkdir()
    assert synced(capsys, str(tmp_path / "empty")) == (0, [])
    assert main(["sync"]) == 0
    assert "nothing waits here" in capsys.readouterr().err


def test_what_no_project_knows_is_left_and_said(project: Path, tmp_path: Path, capsys: Capture) -> None:
    train(CLEW_OFFLINE="1")
    (run,) = (project / ".clew" / "journals").iterdir()
    for outbox in run.glob("*.outbox"):
        outbox.unlink()
    rc, (found,) = synced(capsys)
    assert (rc, found["state"]) == (1, "left")
    assert "no run" in str(found["problem"])


def test_journals_lie_in_the_state_folder_where_the_project_cannot_take_them(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    root = tmp_path / "flights"
    folder = local_folder(root, root / ".clew", environ)
    assert folder == state_folder(root, environ)
    assert folder.is_relative_to(tmp_path / "state" / "clew")
    assert (folder / "project").read_text() == f"{root}\n"
    (root / ".clew").mkdir(parents=True)
    assert local_folder(root, root / ".clew", environ) == root / ".clew"
