"""What somebody else wrote does not act on the terminal of whoever looks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clew.cli.main import main
from clew.cli.visible import in_json, visible
from clew.core.types.run import RunStatus
from clew.testing.runs import a_run
from clew.workspace import open_workspace

NASTY = "a\x1b[2Jb\x07\x9bc\u202ed\rreally"


def test_controls_are_seen_and_texts_stay() -> None:
    assert visible(NASTY) == "a\\x1b[2Jb\\x07\\x9bc\\u202ed\\x0dreally"
    assert visible("one\u2028two\u200f") == "one\\u2028two\\u200f"
    assert visible("näme 名前 ▁▅█ \t\n") == "näme 名前 ▁▅█ \t\n"


def test_a_document_says_the_same_without_them() -> None:
    document = json.dumps({NASTY: f"{NASTY}\x7f\u2028 名前"}, ensure_ascii=False)
    assert visible(in_json(document)) == in_json(document)
    assert json.loads(in_json(document)) == json.loads(document)


@pytest.mark.usefixtures("project")
def test_nothing_that_a_run_says_acts_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with open_workspace() as workspace:
        for at in (1, 2):
            told = {"params": {"depth": at, "text": f"{NASTY}\n{at}"}, "tags": {"note": NASTY}}
            run = a_run(f"{at:032x}", project=workspace.stores.project, name=f"{NASTY}{at}", **told)
            workspace.runs.create(run, experiment="default")
            workspace.runs.finish(run.id, RunStatus.FAILED, ended_us=10, reason=f"first\n{NASTY}")
    ids = [f"{at:032x}" for at in (1, 2)]
    for words in (
        ["list"],
        ["list", "--json"],
        ["show", ids[0]],
        ["show", ids[0], "--json"],
        ["compare", *ids],
        ["compare", "--by", "name"],
        ["delete", *ids],
        ["trash"],
    ):
        assert main(["runs", *words]) == 0
        said = capsys.readouterr()
        assert said.out == visible(said.out)
        assert said.err == visible(said.err)
    assert main(["runs", "show", f"{NASTY}1"]) == 3
    assert (err := capsys.readouterr().err) == visible(err)


def test_a_row_of_a_table_is_one_line_and_an_event_tells_the_last_of_a_traceback(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_workspace() as workspace:
        run = a_run("1" * 32, project=workspace.stores.project, name="first", params={"text": "one\ntwo"})
        workspace.runs.create(run, experiment="default")
        workspace.runs.finish(
            run.id, RunStatus.FAILED, ended_us=10, reason='Traceback:\n  File "a.py", line 1\n    ^^^^\nValueError: why'
        )
    assert main(["runs", "list", "--columns", "param.text"]) == 0
    assert len(lines := capsys.readouterr().out.splitlines()) == 2
    assert lines[1].endswith("one two")
    assert main(["events", "--kind", "run.ended"]) == 0
    assert len(lines := capsys.readouterr().out.splitlines()) == 2
    assert "reason=ValueError: why" in lines[1]
