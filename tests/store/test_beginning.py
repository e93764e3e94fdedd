"""A project whose beginning was killed is begun again, and nothing half-made stays."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clew.core.errors import Exists
from clew.store.beginning import begin_folder, beginning
from clew.store.objects.disk import Draft
from clew.workspace import init_project, open_workspace

KILLED = """
import os, sys
from pathlib import Path
from clew.store.objects import disk
from clew.workspace import init_project

workspace = sys.modules[init_project.__module__]

def die(*_args, **_options):
    os.kill(os.getpid(), 9)

setattr({owner}, {name!r}, die)
init_project(Path(sys.argv[1]))
"""
MOMENTS = [
    ("disk.Draft", "publish"),
    ("Path", "write_text"),
    ("Path", "rename"),
    ("workspace", "sync_folder"),
    ("workspace", "Workspace"),
]


@pytest.mark.parametrize(("owner", "name"), MOMENTS)
def test_a_beginning_that_was_killed_leaves_nothing_behind(tmp_path: Path, owner: str, name: str) -> None:
    code = KILLED.format(owner=owner, name=name)
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    begun = (tmp_path / ".clew").exists()
    assert begun == (owner == "workspace")
    assert begun or any(path.name.startswith(".clew-") for path in tmp_path.iterdir())
    if begun:
        with pytest.raises(Exists):
            init_project(tmp_path)
    else:
        init_project(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".clew", "clew.toml"}
    with open_workspace(tmp_path) as workspace:
        assert workspace.runs.list().items == []


def test_what_others_hold_or_made_themselves_stays(tmp_path: Path) -> None:
    mine = tmp_path / f".clew-{'a' * 16}"
    mine.mkdir()
    (mine / "notes").write_text("mine")
    (tmp_path / ".clew-backup").mkdir()
    with Draft(tmp_path) as draft:
        with beginning(tmp_path):
            begin_folder(tmp_path / ".clew")
        assert Path(draft.path).exists()
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, ".clew-backup", ".clew"}


def test_of_several_at_once_one_begins(tmp_path: Path) -> None:
    def begin(_: int) -> bool:
        try:
            init_project(tmp_path)
        except Exists:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(begin, range(4))) == [False, False, False, True]
    assert {path.name for path in tmp_path.iterdir()} == {".clew", "clew.toml"}
