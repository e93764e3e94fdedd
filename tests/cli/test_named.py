"""Names that several runs have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clew.cli.main import main
from clew.core.types.run import RunStatus
from clew.testing.runs import a_run
from clew.workspace import init_project, open_workspace

Capture = pytest.CaptureFixture[str]
IDS = [f"{number:012x}{0:020x}" for number in (1, 2, 3)]
NEWEST = IDS[2][:12]


@pytest.fixture(autouse=True)
def _three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three runs of one name."""
    init_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    with open_workspace() as workspace:
        for at, each in enumerate(IDS):
            workspace.runs.create(
                a_run(each, project=workspace.stores.project, name="train", created_us=at + 1), experiment="e"
            )
            workspace.runs.finish(each, RunStatus.FINISHED, ended_us=10)


@pytest.mark.parametrize(
    "words",
    [["delete", "train"], ["tag", "train", "a=b"], ["note", "train", "x"], ["rename", "train", "x"], ["stop", "train"]],
)
def test_what_changes_a_run_refuses_to_guess(words: list[str], capsys: Capture) -> None:
    assert main(["runs", *words]) == 4
    error = capsys.readouterr().err
    assert "3 runs are named train" in error
    assert all(each[:12] in error for each in IDS)
    assert main(["runs", "list", "--json"]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert [(each["name"], each["tags"]) for each in items] == [("train", {})] * 3


def test_the_run_that_is_shown_is_the_one_that_is_called_the_newest(capsys: Capture) -> None:
    with open_workspace() as workspace:  # as an import keeps it: an id that does not grow with time
        early = a_run("f" * 32, project=workspace.stores.project, name="train", created_us=0)
        workspace.runs.create(early, experiment="e")
    assert main(["runs", "show", "train", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["run"]["id"] == IDS[2]
    assert f"this is the newest, {NEWEST}" in told.err


def test_a_run_that_is_resumed_is_not_guessed(tmp_path: Path, capsys: Capture) -> None:
    script = tmp_path / "train.py"
    script.write_text("")
    assert main(["run", "--resume", "train", str(script)]) == 4
    assert "3 runs are named train" in capsys.readouterr().err
    assert main(["run", "--resume", IDS[0][:12], str(script)]) == 0
    with open_workspace() as workspace:
        told = workspace.services.events.list(kind="run.resumed").items
    assert [each.subject for each in told] == [f"run:{IDS[0]}"]


def test_a_run_that_is_repeated_is_the_newest_and_said_to_be(tmp_path: Path, capsys: Capture) -> None:
    said = f"3 runs are named train; this is the newest, {NEWEST}\n"
    for words in ([], ["--bundle", str(tmp_path / "train.clew")]):
        assert main(["reproduce", "train", *words]) == 2  # they recorded nothing
        shown = capsys.readouterr().err
        assert shown.startswith(said)
        assert "[capture] source = false" in shown


def test_an_id_says_which(capsys: Capture) -> None:
    assert main(["runs", "delete", IDS[0][:12], IDS[1]]) == 0
    assert main(["runs", "tag", "train", "a=b"]) == 0  # one is left
    capsys.readouterr()


def test_what_shows_a_run_takes_the_newest_and_says_so(capsys: Capture) -> None:
    assert main(["runs", "show", "train", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["run"]["id"] == IDS[2]
    assert shown.err == f"3 runs are named train; this is the newest, {NEWEST}\n"
    assert main(["runs", "show", IDS[0]]) == 0
    assert capsys.readouterr().err == ""


def test_a_run_is_not_compared_with_itself(capsys: Capture) -> None:
    assert main(["runs", "compare", "train", "train"]) == 2
    assert "cannot be compared with itself" in capsys.readouterr().err
    assert main(["runs", "compare", "train", IDS[0]]) == 0


def test_several_in_the_trash_are_told_by_their_ids(capsys: Capture) -> None:
    assert main(["runs", "delete", *IDS]) == 0
    assert main(["runs", "restore", "train"]) == 4
    assert IDS[1] in capsys.readouterr().err


def test_a_run_in_the_trash_says_so_and_how_it_comes_back(capsys: Capture) -> None:
    assert main(["runs", "delete", *IDS]) == 0
    capsys.readouterr()
    assert main(["runs", "show", "train"]) == 3
    assert "lies in the trash: clew runs restore train" in capsys.readouterr().err
    assert main(["runs", "show", IDS[0]]) == 0
    assert f"into the trash: clew runs restore {IDS[0]} brings it back" in capsys.readouterr().out
    assert main(["gc", "--trash-days", "0"]) == 0
    capsys.readouterr()
    assert main(["runs", "show", IDS[0]]) == 0
    assert "into the trash: purged, its files and metrics are gone" in capsys.readouterr().out
    assert main(["runs", "show", "train"]) == 3
    assert "trash" not in capsys.readouterr().err
    assert main(["runs", "restore", IDS[1]]) == 4


def test_a_renamed_run_is_shown_by_what_finds_it(capsys: Capture) -> None:
    assert main(["runs", "rename", IDS[0], "first"]) == 0
    assert capsys.readouterr().err == "first: clew runs show first\n"
    assert main(["runs", "rename", IDS[0], "train"]) == 0  # a name that others have
    assert capsys.readouterr().err == f"train: clew runs show {IDS[0][:12]}\n"
