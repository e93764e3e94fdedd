"""The cells of a notebook, as a real IPython executes them, kept with the run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clew.core.types.run import RunKind, RunStatus
from clew.tracking.adopt import adopt
from clew.tracking.capture.cells import CELLS, executed_cells, take_cells
from clew.workspace import Workspace, init_project

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2
NOTEBOOK = """
import json, os, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in json.loads(sys.argv[1]):
    if cell == "KILL":
        os.kill(os.getpid(), 9)
    shell.run_cell(cell, store_history=True)
"""
START = "import clew\nrun = clew.run('exploring')\nrun.log(auc=threshold)"


def execute(folder: Path, cells: list[str]) -> int:
    environment = {**os.environ, "IPYTHONDIR": str(folder / "ipython")}
    words = [sys.executable, "-c", NOTEBOOK, json.dumps(cells)]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, timeout=100).returncode


def kept(folder: Path) -> tuple[RunStatus, RunKind, str]:
    with Workspace(folder) as workspace:
        adopt(workspace.runs, workspace.stores.objects, workspace.folder)
        [run] = workspace.runs.list().items
        found = {each.path: each.digest for each in workspace.runs.artifacts(run.id)}
        text = workspace.stores.objects.get(found[CELLS]).decode() if CELLS in found else ""
        return run.status, run.kind, text


@pytest.mark.parametrize(
    ("switch", "wanted"),
    [
        (
            "true",
            [
                "threshold = 0.7",
                "# left out: line 1 seems to hold a GitHub token",
                START,
                "%time 1 + 1",
                "run.finish()",
            ],
        ),
        ("false", []),
    ],
)
def test_the_cells_that_were_executed_are_kept_in_their_order(tmp_path: Path, switch: str, wanted: list[str]) -> None:
    init_project(tmp_path)
    (tmp_path / "clew.toml").write_text(f'[project]\nname = "notes"\n[capture]\nsource = {switch}\n')
    cells = ["threshold = 0.7", f"token = '{TOKEN}'", START, "%time 1 + 1", "run.finish()", "after = 1"]
    assert execute(tmp_path, cells) == 0
    status, kind, text = kept(tmp_path)
    assert (status, kind) == (RunStatus.FINISHED, RunKind.NOTEBOOK)
    assert text == "\n".join(f"# %% [{number}]\n{code}\n" for number, code in enumerate(wanted, 1))
    assert TOKEN not in text


def test_a_kernel_that_is_killed_leaves_the_cells_up_to_the_start_of_its_run(tmp_path: Path) -> None:
    init_project(tmp_path)
    assert execute(tmp_path, ["threshold = 0.7", START, "later = 1", "KILL"]) == -9
    status, _, text = kept(tmp_path)
    assert status is RunStatus.KILLED
    assert text == f"# %% [1]\nthreshold = 0.7\n\n# %% [2]\n{START}\n"


def test_outside_of_a_notebook_there_are_no_cells() -> None:
    assert executed_cells() == []


def test_cells_that_are_too_large_are_left_out_and_named() -> None:
    found = take_cells(["a = 1", "b = '" + "x" * (1 << 20) + "'", "", "c = 3"])
    reason = "the cells are larger than 1 MiB with it"
    assert found.left_out == [f"cell 2: {reason}"]
    assert found.text == f"# %% [1]\na = 1\n\n# %% [2]\n# left out: {reason}\n\n# %% [4]\nc = 3\n"
