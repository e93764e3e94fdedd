"""What commands on runs say of a word that means nothing, and that a wrong call leaves no run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.cli.main import main
from clew.core.types.run import RunStatus
from clew.testing.runs import a_block, a_run
from clew.workspace import init_project, open_workspace

Say = Callable[..., Any]
Capture = pytest.CaptureFixture[str]
TRAIN = """import clew
@clew.pipeline
def train_guessed(depth: int = 3):
    return depth
@clew.pipeline
def other_guessed(flights: clew.Dataset):
    return 1
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    Path("guessed.py").write_text(TRAIN)


@pytest.fixture
def one_run() -> None:
    with open_workspace() as workspace:
        made = a_run("1" * 32, project=workspace.stores.project, name="a", params={"lr": 0.1})
        workspace.runs.create(made, experiment="e")
        workspace.runs.append([a_block("j:0-0", run=made.id, key="auc", last=0.7)])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["train_guessed", "dpeth=4"], 2, "unexpected keyword argument 'dpeth'"),
        (["train_guessed", "depth=deep"], 2, "takes depth as int"),
        (["other_guessed"], 2, "missing a required argument: 'flights'"),
        (["other_guessed", "flights=nowhere@1"], 3, "no dataset named 'nowhere'"),
    ],
)
def test_a_pipeline_that_is_called_wrongly_leaves_no_run(
    words: list[str], code: int, said: str, capsys: Capture
) -> None:
    assert main(["run", f"guessed.py:{words[0]}", *words[1:]]) == code
    assert said in capsys.readouterr().err
    assert main(["runs", "list"]) == 0
    assert "no runs yet" in capsys.readouterr().err


def test_a_misspelt_option_of_run_is_no_script(capsys: Capture) -> None:
    assert main(["run", "--nmae", "x", "guessed.py"]) == 2
    assert "No such option '--nmae'. Did you mean '--name'?" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--resume", "train", "guessed.py:train_guessed"], ["--workers", "2", "guessed.py"]])
def test_an_option_that_does_not_go_with_what_is_run_is_refused(words: list[str], capsys: Capture) -> None:
    assert main(["run", *words]) == 2
    assert f"{words[0]} is for" in capsys.readouterr().err


@pytest.mark.usefixtures("one_run")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "metric.acu > 0"], "no run has the metric acu; did you mean auc?"),
        (["--sort", "-metric.lr"], "no run has the metric lr; did you mean param.lr?"),
        (["--columns", "tag.team"], "no run has the tag team"),
    ],
)
def test_what_no_run_has_is_told(words: list[str], said: str, capsys: Capture) -> None:
    assert main(["runs", "list", *words]) == 0
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("one_run")
def test_what_a_run_has_needs_no_words(capsys: Capture) -> None:
    for words in (
        ["--where", "metric.auc > 1"],
        ["--columns", "param.lr,metric.auc.max"],
        ["--where", "tag.x is null"],
    ):
        assert main(["runs", "list", *words]) == 0
    assert [line for line in capsys.readouterr().err.splitlines() if "metric" in line or "param" in line] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sort", "-acc"], "did you mean metric.acc or param.acc?"),
        (["--where", "metrics.acc > 0.7"], "did you mean metric.acc?"),
        (["--where", "statsu = failed"], "did you mean status?"),
        (["--where", "metric.a > 1 & metric.b > 2"], "write 'and'"),
        (["--where", "metric.a > 1 || metric.b > 2"], "write 'or'"),
        (["--where", "created > -7d"], "write it in quotes: '-7d'"),
        (["--where", "parent = 01a21af5a30d7000"], "write it in quotes: '01a21af5a30d7000'"),
        (["--columns", "foo"], "the field cannot be read at character 1"),
        (["--output", "runs.xlsx"], "--output needs a form"),
        (["--format", "csv", "--after", "x"], "--after and --json do not go with --format"),
        (["--output", "runs.csv", "--json"], "--after and --json do not go with --format"),
    ],
)
def test_a_filter_that_cannot_be_read_says_what_was_meant(words: list[str], said: str, capsys: Capture) -> None:
    assert main(["runs", "list", *words]) == 2
    assert said in capsys.readouterr().err


def test_the_suffix_of_a_file_says_its_form(capsys: Capture) -> None:
    assert main(["runs", "list", "--output", "runs.csv"]) == 0
    assert Path("runs.csv").read_text().startswith("id,name,")
    capsys.readouterr()


@pytest.mark.usefixtures("one_run")
def test_a_kind_that_no_event_is_of_is_told_with_those_that_there_are(capsys: Capture) -> None:
    for words, said in (
        (
            ["--kind", "run.craeted"],
            "project.added, run.created; none is of the kind run.craeted; did you mean run.created",
        ),
        (["--kind", "runs"], "none is of the kind runs; did you mean run"),
        (["--kind", "run", "--subject", "model:1"], "no such event"),
    ):
        assert main(["events", *words]) == 0
        assert said in capsys.readouterr().err
    assert main(["events", "--kind", "run"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("one_run")
def test_the_beginning_of_a_subject_is_enough(capsys: Capture) -> None:
    assert main(["events", "--subject", "run:1111"]) == 0
    assert "run:111111111111 " in capsys.readouterr().out


@pytest.fixture
def sweep() -> None:
    """A run with three below it, of another sweep of the same name one, and one of none."""
    with open_workspace() as workspace:
        rows = [("1", "search", ""), ("2", "trial-1", "1"), ("3", "trial-2", "1"), ("4", "trial-3", "1")]
        rows += [("5", "search", ""), ("6", "trial-1", "5"), ("7", "alone", "")]
        for number, (digit, name, parent) in enumerate(rows):
            made = a_run(_id(digit), project=workspace.stores.project, name=name, parent=_id(parent) if parent else "")
            workspace.runs.create(made, experiment="e")
            workspace.runs.append([a_block("j:0-0", run=made.id, key="auc", last=number / 10)])
            workspace.runs.finish(made.id, RunStatus.FINISHED, ended_us=made.created_us + 1)


def _id(digit: str) -> str:
    return digit * 13 + "0" * 19


@pytest.mark.usefixtures("sweep")
@pytest.mark.parametrize(
    ("where", "found"),
    [
        (f"parent = '{_id('1')}'", "4 3 2"),
        ("parent = '1111111111111'", "4 3 2"),
        ("parent = 1111111111111", "4 3 2"),
        ("parent = search", "6 4 3 2"),
        ("parent in (search, alone)", "6 4 3 2"),
        ("parent != 5555555555555", "4 3 2"),
        ("parent = search and not name = trial-1", "4 3"),
        ("parent is null", "7 5 1"),
        ("id = 7777777777777", "7"),
        ("id != search and parent is null", "7"),
    ],
)
def test_a_run_is_named_in_a_filter_as_it_is_in_a_command(where: str, found: str, say: Say) -> None:
    assert [item["id"] for item in say("runs", "list", "--where", where)["items"]] == [_id(d) for d in found.split()]


@pytest.mark.usefixtures("sweep")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show", "trail-1"], 3, "did you mean trial-1, "),
        (["compare", "trial-1", "trial-99"], 3, "did you mean trial-"),
        (["list", "--where", "parent = serach"], 3, "did you mean search?"),
        (["list", "--where", "parent = '1'"], 3, "no run named '1'"),
        (["artifacts", "trail-1"], 3, "did you mean trial-1, "),
        (["delete", "trail-1"], 3, "did you mean trial-1, "),
    ],
)
def test_a_misspelt_run_is_told_with_those_that_look_alike(words: list[str], code: int, said: str, say: Say) -> None:
    assert said in say("runs", *words, code=code)


@pytest.mark.usefixtures("sweep")
def test_a_misspelt_run_of_the_trash_is_told_with_those_that_look_alike(say: Say) -> None:
    say("runs", "delete", "alone", "trial-2")
    assert "did you mean trial-2?" in say("runs", "restore", "trail-2", code=3)
    assert "clew runs restore alone" in say("runs", "show", "alone", code=3)


@pytest.mark.usefixtures("sweep")
def test_the_runs_below_one_are_shown_with_their_ids_and_a_metric(capsys: Capture) -> None:
    assert main(["runs", "show", _id("1")]) == 0
    head, *rows = capsys.readouterr().out.partition("runs below\n")[2].splitlines()
    assert head.split() == ["id", "name", "status", "auc", "created"]
    assert [row.split()[:4] for row in rows] == [
        [_id(digit)[:12], f"trial-{number}", "finished", auc]
        for digit, number, auc in (("4", 3, "0.3"), ("3", 2, "0.2"), ("2", 1, "0.1"))
    ]
