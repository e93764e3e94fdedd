"""`clew gc` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clew.cli.main import main
from clew.core.errors import NotFound
from clew.core.types.project import Project
from clew.core.types.run import Artifact, Run, RunKind, RunStatus
from clew.server.hosting import host_of
from clew.tracking.runs import LedgerRuns
from clew.workspace import Workspace, init_project


def test_what_nothing_names_goes_in_two_steps(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Workspace(project) as workspace:
        digest = workspace.stores.objects.put(b"rubbish" * 99)
    assert main(["gc", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["young"] == 1
    assert main(["gc", "--young-hours", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["garbage"], found["freed_bytes"], found["waiting_bytes"] > 0) == (1, 0, True)
    assert main(["gc", "--grace-days", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["freed_bytes"] > 0
    assert main(["gc", "--dry-run"]) == 0
    said = [line.rsplit("  ", 1)[0].strip() for line in capsys.readouterr().out.splitlines()]
    assert len(set(said)) == len(said)
    assert {"garbage", "garbage size"} < set(said)
    with Workspace(project) as workspace, pytest.raises(NotFound):
        workspace.stores.objects.get(digest)


def test_the_other_projects_of_a_server_are_collected_too(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Workspace(project) as workspace:
        other = host_of(workspace).stores(workspace.accounts.add_project("other"), actor="ann")
        run = Run(id=other.ids(), project=other.project, experiment="", name="r", kind=RunKind.SCRIPT,
                  status=RunStatus.RUNNING, created_us=1, created_by="ann")  # fmt: skip
        LedgerRuns(other).create(run, experiment="e")
        kept, gone = other.objects.put(b"kept" * 99), other.objects.put(b"rubbish" * 99)
        workspace.stores.objects.put(b"rubbish" * 99)
        LedgerRuns(other).add_artifact(
            Artifact(run=run.id, path="a", digest=kept, size_bytes=0, media_type="", created_us=0)
        )
    for grace in ("7", "0"):
        assert main(["gc", "--young-hours", "0", "--grace-days", grace, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["projects"], found["garbage"], found["live"]) == (2, 2 if grace == "7" else 0, 1)
    with Workspace(project) as workspace:
        other = host_of(workspace).stores(host_of(workspace).project("other"), actor="ann")
        assert other.objects.get(kept) == b"kept" * 99
        with pytest.raises(NotFound):
            other.objects.get(gone)


def test_a_project_without_anything_is_collected_backed_up_and_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    init_project(tmp_path / "p")
    monkeypatch.chdir(tmp_path / "p")
    assert main(["gc", "--grace-days", "0"]) == 0
    assert main(["backup", str(tmp_path / "copy")]) == 0
    assert "backed up to" in capsys.readouterr().out
    assert main(["restore", str(tmp_path / "copy"), str(tmp_path / "back"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["damaged"] == []
    assert main(["restore", str(tmp_path / "copy"), str(tmp_path / "older"), "--until", "2020-01-01"]) != 0


def test_what_came_of_a_move_that_was_never_completed_is_collected(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Workspace(project) as workspace:
        arriving = Project(id="0a" * 16, name="", created_us=0)
        host_of(workspace).stores(arriving, actor="ann").objects.put(b"half of it" * 99)
    for grace in ("7", "0"):
        capsys.readouterr()
        assert main(["gc", "--young-hours", "0", "--grace-days", grace, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["projects"], found["freed_bytes"] > 0) == (2, True)
