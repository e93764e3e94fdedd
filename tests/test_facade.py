"""The Python API finds or makes its project."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import clew
from clew import facade
from clew.core.errors import NotFound
from clew.workspace import init_project


@pytest.fixture(autouse=True)
def nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facade, "_open", {})
    monkeypatch.setattr(facade, "_taken", {})


def test_a_process_that_another_one_was_faster_than_uses_its_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def find_project(start: Path) -> None:  # and then it is made, by the other one
        init_project(start, name="theirs")

    monkeypatch.setattr(facade, "find_project", find_project)
    with facade.workspace() as opened:
        assert opened.settings.project.name == "theirs"
    assert "made a project" not in capsys.readouterr().err


def test_outside_of_a_project_one_is_made_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with facade.workspace() as opened:
        assert opened.root == tmp_path
    assert "made a project" in capsys.readouterr().err


def test_data_can_be_called_whatever_was_imported(tmp_path: Path) -> None:
    script = """
import clew
with clew.run("reads"):  # imports the package behind the function
    print(clew.data("cells@latest").frame().height, clew.data("cells@1").reference)
"""
    init_project(tmp_path)
    (tmp_path / "cells.csv").write_text("a\n1\n2\n")
    commands = [["-m", "clew", "data", "add", "cells", "cells.csv"], ["-c", script]]
    for command in commands:
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert done.stdout == "2 cells@1\n"


def test_a_run_in_the_home_folder_makes_no_project_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(NotFound, match="your home folder"):
        facade.workspace()
    assert list(tmp_path.iterdir()) == []
    init_project(tmp_path)  # on purpose, it may be one
    with facade.workspace() as opened:
        assert opened.root == tmp_path


def test_no_name_may_be_said_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a parser of arguments gives it: `clew.run(arguments.name)`."""
    init_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    with clew.run(None, experiment=None, params=None, tags=None, capture=False) as run:
        pass
    with facade.workspace() as opened:
        assert opened.runs.get(run.id).name.count("-") == 2
        assert [each.name for each in opened.runs.experiments()] == ["default"]


def test_a_run_that_is_handed_over_with_every_task_is_one_and_stays_in_its_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere = init_project(tmp_path / "p"), tmp_path / "scratch"
    elsewhere.mkdir()
    monkeypatch.chdir(home)
    with clew.run(capture=False) as run:
        monkeypatch.chdir(elsewhere)
        for task in range(3):
            handed = pickle.loads(pickle.dumps(run))
            handed.log(loss=task)
        assert len(list((home / ".clew" / "journals" / run.id).glob("*.journal"))) == 2
        with handed:  # a task may end its part of it
            pass
        again = pickle.loads(pickle.dumps(run))
        again.log(loss=3)
        again.finish()
    assert [each.count for each in run.recorder.runs.summaries([run.id])] == [4]
    assert list(elsewhere.iterdir()) == []
    facade._open[home].close()
