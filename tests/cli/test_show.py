"""`clew runs show`: what a run was told and says of itself, as people read it."""

from __future__ import annotations

import json

import pytest

from clew.cli.main import main
from clew.testing.runs import a_run
from clew.workspace import open_workspace


@pytest.mark.usefixtures("project")
def test_a_run_is_shown_as_filters_ask_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    history = json.dumps([{"run_id": "1" * 32, "flavors": {"sklearn": {}}}] * 20, indent=1)
    with open_workspace() as workspace:
        tags = {"team": "risk", "mlflow.note.content": "the first one", "mlflow.log-model.history": history}
        params = {"verbose": False, "seed": None, "deep": True}
        made = a_run("7" * 32, project=workspace.stores.project, name="noted", params=params, tags=tags)
        workspace.runs.create(made, experiment="late")
    assert main(["runs", "show", "noted"]) == 0
    shown = capsys.readouterr().out.splitlines()
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in shown if " " in line}
    assert (lines["verbose"], lines["seed"], lines["deep"]) == ("false", "null", "true")
    assert lines["note"] == "the first one"
    assert lines["tags"].startswith("team=risk, mlflow.log-model.history=[ {")
    assert lines["tags"].endswith("…")
    assert len(lines["tags"]) < 150
    columns = ["--columns", "param.verbose,param.seed"]
    assert main(["runs", "list", "--where", "param.verbose = false", *columns]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[-2:] == ["false", "–"]
