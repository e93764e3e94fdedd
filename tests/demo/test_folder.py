"""The demo's folder: nobody else's files, one demo at a time, and nothing of the user's is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.errors import Conflict, Exists
from clew.demo.folder import FILES, REPORT, hold, start_over, write_project
from clew.settings import read_settings
from clew.workspace import open_workspace


def test_a_new_folder_is_made_and_held_for_one(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "demo"
    with hold(folder), pytest.raises(Conflict, match="a demo runs in"), hold(folder):
        pass
    with hold(folder):
        pass


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(Exists, match=r"folder .* exists already"), hold(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_project_is_an_ordinary_one_and_edits_stay(tmp_path: Path) -> None:
    with hold(tmp_path):
        write_project(tmp_path)
        (tmp_path / "train.py").write_text("# mine\n")
        write_project(tmp_path)
    assert (tmp_path / "train.py").read_text() == "# mine\n"
    with open_workspace(tmp_path) as workspace:
        assert workspace.settings.project.name == "flights"
    settings = read_settings(tmp_path / "clew.toml", {})
    assert settings.retrain["delay"].pipeline == "train.py:train"
    assert list(settings.endpoints["delay"].shadow) == ["challenger", "baseline"]


def test_starting_over_removes_what_the_demo_made_and_nothing_else(tmp_path: Path) -> None:
    with hold(tmp_path):
        write_project(tmp_path)
        (tmp_path / REPORT).write_text("<html>")
        (tmp_path / "notes.md").write_text("mine")
        start_over(tmp_path)
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {".demo.lock", "notes.md"}
        write_project(tmp_path)
    assert all((tmp_path / name).is_file() for name in FILES)
