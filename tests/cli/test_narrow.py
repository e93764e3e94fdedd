"""Lists in a terminal of 80 columns: every row is one line, and what it is called stands whole."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from clew.cli.main import main
from clew.core.types.run import RunStatus
from clew.serving.keys import add_key
from clew.testing.runs import a_run
from clew.tracking.series import Points, block_of
from clew.workspace import init_project, open_workspace

NAME = "late-departures-of-new-york-2013"
NINE = Points(np.arange(9), np.arange(9), np.linspace(0.1, 0.7, 9))
LIST = [
    (["data", "list"], "{name}  "),
    (["data", "show", NAME], "{name}@1"),
    (["experiments", "list"], "{name}-of-gradient-boosted-trees"),
    (["experiments", "list", "--trash"], "{name}-gone"),
    (["runs", "trash"], "{name}-1  0{zeros}1"),
    (["runs", "show", NAME], "{name}.auc  "),
    (["user", "list"], "{name}  "),
    (["token", "list", "--user", NAME], "{name}  "),
    (["project", "list"], "{name}  "),
    (["keys", "list"], "{name}  {name}"),
]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A project in which everything has a long name."""
    monkeypatch.chdir(init_project(tmp_path))
    Path("rows.csv").write_text("a\n1\n")
    assert main(["data", "add", NAME, "rows.csv", "-m", "what the airports of New York know of their delays"]) == 0
    with open_workspace() as workspace:
        workspace.accounts.add_user(NAME)
        workspace.accounts.add_token(NAME, NAME, expires_us=2**52)
        workspace.accounts.add_project(NAME)
        add_key(workspace.stores, NAME, NAME)
        for at, experiment in enumerate([f"{NAME}-of-gradient-boosted-trees", f"{NAME}-gone", "kept"]):
            name = NAME if at == 2 else f"{NAME}-{at}"
            run = a_run(f"{at:012x}{0:020x}", project=workspace.stores.project, name=name)
            workspace.runs.create(run, experiment=experiment)
            workspace.runs.append([block_of(run.id, f"{NAME}.auc", "j:0-9", NINE)])
            workspace.runs.finish(run.id, RunStatus.FINISHED, ended_us=10)
    assert main(["experiments", "delete", f"{NAME}-gone"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(("words", "stands"), LIST, ids=[" ".join(words[:2]) for words, _ in LIST])
def test_a_list_is_readable(
    words: list[str], stands: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")  # 80 columns
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert any(line.startswith(stands.format(name=NAME, zeros="0" * 10)) for line in lines), lines


@pytest.mark.parametrize("words", [[], ["--sort", f"-metric.`{NAME}.auc`"]], ids=["newest", "sorted"])
def test_runs_have_their_name_status_age_and_metric_in_one_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")  # 80 columns
    assert main(["runs", "list", *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    (row,) = (line.split() for line in lines if line.startswith("000000000002"))
    assert (row[1][:8], row[2], row[-3:]) == (NAME[:8], "finished", ["d", "ago", "0.7"])
