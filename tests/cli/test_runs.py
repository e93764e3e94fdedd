"""`clew run` and `clew runs`, as a person and as a machine would use them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from clew.cli.main import main
from clew.cli.named import short_ids
from clew.core.types.run import RunStatus
from clew.testing.runs import a_block, a_run
from clew.tracking.journal import Journal
from clew.workspace import init_project, open_workspace

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three runs, one of them failed."""
    init_project(tmp_path / "flights")
    monkeypatch.chdir(tmp_path / "flights")
    with open_workspace() as workspace:
        for number, name in enumerate(("alpha", "beta", "gamma")):
            run = f"{number + 1:032x}"
            params = {"depth": 4 + number, "same": 1}
            made = a_run(run, project=workspace.stores.project, name=name, params=params, created_us=number + 1)
            workspace.runs.create(made, experiment="late")
            last = number / 10 + 0.6
            workspace.runs.append([a_block("j:0-0", run=run, key="auc", last=last)])
        workspace.runs.finish(f"{2:032x}", RunStatus.FAILED, ended_us=1_000_002, reason="ValueError: too deep\n")
    return tmp_path / "flights"


def clew(capsys: Capture, *words: str) -> tuple[int, str, str]:
    code = main(words)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def clew_json(capsys: Capture, *words: str) -> dict[str, object]:
    code, out, _ = clew(capsys, *words, "--json")
    assert code == 0
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


@pytest.mark.usefixtures("project")
class TestList:
    def test_people_get_a_table_with_what_differs(self, capsys: Capture) -> None:
        code, out, _ = clew(capsys, "runs", "list")
        head, *rows = out.splitlines()
        assert code == 0
        assert head.split() == ["id", "name", "status", "experiment", "created", "duration", "auc", "depth"]
        assert [row.split()[1] for row in rows] == ["gamma", "beta", "alpha"]
        assert rows[1].split()[2:4] == ["failed", "late"]

    def test_machines_get_everything(self, capsys: Capture) -> None:
        found = clew_json(capsys, "runs", "list", "--where", "status = failed")
        (item,) = found["items"]  # type: ignore[misc]
        assert item["name"] == "beta"
        assert item["metrics"]["auc"] == {"last": 0.7, "min": 0.7, "max": 0.7, "first": 0.7, "count": 1}
        assert (item["params"], item["duration_ms"], item["parent"]) == ({"depth": 5, "same": 1}, 1000.0, None)

    def test_filters_sorts_columns_and_pages(self, capsys: Capture) -> None:
        _, out, _ = clew(
            capsys,
            "runs",
            "list",
            "--where",
            "metric.auc.max > 0.65",
            "--sort",
            "metric.auc",
            "--columns",
            "param.same",
        )
        head, *rows = out.splitlines()
        assert head.split()[4:] == ["created", "duration", "same", "auc", "max", "auc"]
        assert [row.split()[1] for row in rows] == ["beta", "gamma"]
        first = clew_json(capsys, "runs", "list", "--limit", "2")
        second = clew_json(capsys, "runs", "list", "--limit", "2", "--after", str(first["next"]))
        assert [item["name"] for item in second["items"]] == ["alpha"]  # type: ignore[attr-defined]
        assert second["next"] == ""

    def test_ids_are_as_long_as_they_must_be_and_commands_take_them(self, capsys: Capture) -> None:
        _, out, _ = clew(capsys, "runs", "list")
        first = out.splitlines()[1].split()[0]
        assert first == f"{3:032x}"  # these differ in their last digits only
        assert clew(capsys, "runs", "tag", first, "team=risk")[0] == 0
        assert short_ids(["01a2192f3099" + "0" * 20, "01a2192f3098" + "0" * 20]) == ["01a2192f3099", "01a2192f3098"]

    def test_a_narrow_terminal_breaks_nothing(self, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("TERM", "dumb")  # 80 columns
        _, out, _ = clew(capsys, "runs", "list")
        head, *rows, left = out.splitlines()
        assert head.split() == ["id", "name", "status", "created", "auc", "depth"]
        assert all(" d ago " in row for row in rows)
        assert left.startswith("no room for experiment, duration: --columns")
        _, out, _ = clew(capsys, "runs", "list", "--columns", "param.depth")
        assert out.splitlines()[0].split() == ["id", "name", "status", "created", "depth"]

    def test_fields_that_stand_there_anyway_are_not_shown_twice(self, capsys: Capture) -> None:
        _, out, _ = clew(capsys, "runs", "list", "--columns", "created,duration,ended,metric.auc")
        head, running, ended, *_ = out.splitlines()
        assert head.split() == ["id", "name", "status", "experiment", "created", "duration", "ended", "auc"]
        assert (running.count("1970-01-01"), ended.count("1970-01-01")) == (1, 2)
        _, out, _ = clew(capsys, "runs", "list", "--columns", "created")
        assert out.splitlines()[0].split()[-1] == "duration"

    def test_nothing_found_says_so(self, capsys: Capture) -> None:
        assert clew(capsys, "runs", "list", "--where", "metric.auc > 1") == (0, "", "no run passes\n")

    @pytest.mark.parametrize(
        ("words", "code", "what"),
        [
            (["--where", "metric.auc >> 1"], 2, "            ^"),
            (["--sort", "color"], 2, "no field 'color'"),
            (["--sort", "metric.auc", "--after", "x"], 2, "no page token of this order"),
            (["--experiment", "nowhere"], 3, "did you mean late?"),
        ],
    )
    def test_mistakes_are_explained(self, capsys: Capture, words: list[str], code: int, what: str) -> None:
        found, out, err = clew(capsys, "runs", "list", *words)
        assert (found, out) == (code, "")
        assert what in err


class _Gone(io.RawIOBase):
    """A stdout whose reader went away."""

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        raise BrokenPipeError


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_reader_that_goes_away_is_no_defect(form: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(_Gone(), 1)))
        assert main(["runs", "list", "--format", form]) == 141
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("project")
class TestShow:
    def test_people_see_all_sections(self, capsys: Capture) -> None:
        code, out, _ = clew(capsys, "runs", "show", "beta")
        assert code == 0
        for words in (
            "experiment  late",
            "status      failed",
            "parameters",
            "depth",
            "metrics",
            "ValueError: too deep",
        ):
            assert words in out

    def test_machines_get_an_overview(self, capsys: Capture) -> None:
        found = clew_json(capsys, "runs", "show", f"{1:032x}")
        plain = {"run", "experiment", "metrics", "artifacts", "inputs", "outputs", "steps", "children"}
        assert set(found) == {*plain, "certificates", "branch", "remote"}

    def test_an_unknown_run(self, capsys: Capture) -> None:
        code, _, err = clew(capsys, "runs", "show", "delta")
        assert code == 3
        assert "no run named 'delta'" in err


@pytest.mark.usefixtures("project")
class TestCompare:
    def test_people_see_what_differs(self, capsys: Capture) -> None:
        code, out, _ = clew(capsys, "runs", "compare", "alpha", "beta")
        assert code == 0
        lines = [line.split() for line in out.splitlines()]
        assert ["depth", "4", "5"] in lines
        assert ["auc", "0.6", "0.7", "+0.1"] in lines
        assert not any("same" in line for line in lines)

    def test_machines_get_it_too(self, capsys: Capture) -> None:
        found = clew_json(capsys, "runs", "compare", "alpha", "beta", "gamma")
        assert found["params"] == [{"name": "depth", "values": [4, 5, 6]}]

    def test_one_is_not_enough(self, capsys: Capture) -> None:
        code, _, err = clew(capsys, "runs", "compare", "alpha")
        assert code == 2
        assert "one run cannot be compared" in err
        assert "no runs were named" in clew(capsys, "runs", "compare")[2]


def test_runs_of_processes_that_are_gone_are_brought_home(project: Path, capsys: Capture) -> None:
    run = f"{3:032x}"
    journal = Journal(project / ".clew/journals" / run, run)
    journal.log({"auc": 0.9}, 1)
    journal.close(delete=False)
    _, out, err = clew(capsys, "runs", "list", "--where", "status = killed")
    assert "gamma" in out
    assert "was killed; of what it left in its journal, 1 point came home now" in err
    assert clew(capsys, "runs", "list")[2] == ""


SCRIPT = """
import sys
print("words", sys.argv[1:])
sys.exit(int(sys.argv[1]))
"""


def clew_process(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "clew", *words], capture_output=True, text=True, check=False)


def test_a_script_is_run_with_its_words_and_exit_code(project: Path, capsys: Capture) -> None:
    (project / "train.py").write_text(SCRIPT)
    done = clew_process("run", "--name", "mine", "--tag", "team=risk", "train.py", "3", "--name", "its own")
    assert done.returncode == 3
    assert done.stdout == "words ['3', '--name', 'its own']\n"
    assert "run mine failed" in done.stderr
    shown = clew_json(capsys, "runs", "show", "mine")["run"]
    assert shown["tags"] == {"team": "risk"}  # type: ignore[index]
    assert shown["reason"] == "exit code 3"  # type: ignore[index]


def test_with_json_the_run_is_all_of_stdout(project: Path) -> None:
    (project / "train.py").write_text(SCRIPT)
    done = clew_process("run", "--json", "train.py", "0")
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "finished"
    assert "words ['0']" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (["missing.py"], 3, "no script named 'missing.py'"),
        (["--tag", "team", "train.py"], 2, "'team' is no tag"),
        ([], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_run_is_said(project: Path, capsys: Capture, words: list[str], code: int, what: str) -> None:
    (project / "train.py").write_text(SCRIPT)
    found, _, err = clew(capsys, "run", *words)
    assert found == code
    assert what in err


def test_outside_of_a_project_the_way_in_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = clew(capsys, "runs", "list")
    assert code == 3
    assert "clew init" in err


def test_listing_imports_nothing_heavy(project: Path) -> None:
    code = "import sys; from clew.cli.main import main; main(['runs', 'list', '--json']); print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=project)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {"numpy", "polars", "sklearn", "rich", "zstandard", "onnxruntime"}


@pytest.mark.usefixtures("project")
class TestChange:
    def test_tags_note_and_name_change_also_when_a_run_has_ended(self, capsys: Capture) -> None:
        assert clew(capsys, "runs", "tag", "beta", "team=risk", "stage=tried=twice")[0] == 0
        assert clew(capsys, "runs", "note", "beta", "too deep")[0] == 0
        found = clew_json(capsys, "runs", "rename", "beta", "delta")
        assert found["tags"] == {"team": "risk", "stage": "tried=twice", "note": "too deep"}
        assert (found["name"], found["status"]) == ("delta", "failed")
        assert main(["audit", "verify"]) == 0

    @pytest.mark.parametrize("words", [["tag", "beta", "team"], ["tag", "beta", "=x"], ["rename", "beta", " "]])
    def test_what_is_no_tag_or_name_is_refused(self, capsys: Capture, words: list[str]) -> None:
        assert clew(capsys, "runs", *words)[0] == 2

    def test_only_a_run_that_runs_can_be_asked_to_stop(self, capsys: Capture) -> None:
        found = clew_json(capsys, "runs", "stop", "alpha")
        assert "clew.stop" in str(found["tags"])
        code, _, err = clew(capsys, "runs", "stop", "beta")
        assert code != 0
        assert "has ended: it is failed" in err


def test_clew_run_lets_a_run_go_on(project: Path, capsys: Capture) -> None:
    (project / "train.py").write_text("import clew\nwith clew.run() as run:\n    run.log(loss=1.0)\nprint('done')\n")
    words = [sys.executable, "-m", "clew", "run"]
    subprocess.run([*words, "--name", "long", "train.py"], check=True, capture_output=True)
    subprocess.run([*words, "--resume", "long", "train.py"], check=True, capture_output=True)
    with open_workspace() as workspace:
        run = workspace.runs.get("long")
        assert run.status is RunStatus.FINISHED
        assert [(each.key, each.count, each.last_step) for each in workspace.runs.summaries([run.id])] == [
            ("loss", 2, 1.0)
        ]
        (console,) = workspace.runs.artifacts(run.id)
        assert workspace.objects.get(console.digest) == b"done\ndone\n"


def test_runs_are_written_as_tables(project: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["runs", "list", "--format", "csv", "--columns", "name,status", "--limit", "1"]) == 0
    assert capfdbinary.readouterr().out == b"name,status\ngamma,running\n"
    path = project / "runs.jsonl"
    assert main(["runs", "list", "--format", "jsonl", "--output", str(path)]) == 0
    assert len(path.read_bytes().splitlines()) == 3
    assert b"wrote 3 runs to" in capfdbinary.readouterr().err
    assert main(["runs", "list", "--output", str(path.with_suffix(".xlsx"))]) == 2
    assert b"--format csv" in capfdbinary.readouterr().err
