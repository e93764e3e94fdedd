"""A project on a server, used by the same code and commands as one in a folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from clew.cli.main import root
from clew.client.credentials import credentials_file, keep_token
from clew.core.errors import GateRefused, Unavailable
from clew.core.types.account import ProjectRole
from clew.testing.life import SETTINGS
from clew.workspace import Workspace, open_workspace

SCRIPT = """
import polars as pl
from sklearn.linear_model import LogisticRegression
import clew
from clew.testing.life import INPUTS, flights

@clew.step
def features(flights: clew.Dataset) -> pl.DataFrame:
    return flights.frame()

@clew.pipeline
def train(flights: clew.Dataset, strength: float = 1.0):
    table = features(flights)
    estimator = LogisticRegression(C=strength).fit(table.select(INPUTS), table["late"].to_numpy())
    return clew.Model("delay", estimator, train=table, test=table, label="late", features=INPUTS)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a user that is no project."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return folder


def clew(*words: str) -> Any:
    """What a command prints with --json."""
    at = 1 if words[0] == "run" else len(words)  # what follows a script is the script's
    done = CliRunner().invoke(root, [*words[:at], "--json", *words[at:]], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    return said["items"] if isinstance(said, dict) and set(said) == {"items", "next"} else said


def test_commands_and_scripts_work_against_a_server(
    serve: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(settings=SETTINGS)
    token = served.token("ann", ProjectRole.MAINTAINER)
    monkeypatch.setenv("CLEW_SERVER", f"{served.url}/projects/late")
    monkeypatch.setenv("CLEW_TOKEN", token)
    (home / "clew.toml").write_text(SETTINGS)
    (home / ".clew").mkdir()
    (home / "raw").mkdir()
    (home / "raw" / "a.txt").write_text("a")
    assert clew("data", "add", "raw", "raw")["version"]["number"] == 1
    from clew.testing.life import flights

    flights(300, seed=1).write_parquet(home / "flights.parquet")
    assert clew("data", "add", "flights", "flights.parquet")["version"]["rows"] == 300
    assert {line["name"] for line in clew("data", "list")} == {"flights", "raw"}
    clew("data", "checkout", "raw@1", "elsewhere")
    assert (home / "elsewhere" / "a.txt").read_text() == "a"

    (home / "train.py").write_text(SCRIPT)
    first = clew("run", "train.py:train", "flights=flights@1")
    assert [version["number"] for version in first["versions"]] == [1]
    clew("run", "train.py:train", "flights=flights@1", "strength=0.1")
    steps = clew("runs", "show", first["run"])
    assert [step["outcome"] for step in steps["steps"]] == ["executed"]
    assert [link["reference"] for link in steps["inputs"] if link["reference"]] == ["flights@1"]
    runs = clew("runs", "list")
    assert len(runs) == 2
    again = clew("runs", "show", runs[0]["id"])
    assert [step["outcome"] for step in again["steps"]] == ["cached"]
    found = clew("runs", "compare", runs[0]["id"], runs[1]["id"])
    assert "strength" in {row["name"] for row in found["params"]}

    assert clew("model", "gate", "delay@1")["verdict"] == "pass"
    assert clew("model", "promote", "delay@1", "champion")["number"] == 1
    assert clew("model", "list")[0]["aliases"] == {"champion": 1}
    shown = clew("model", "show", "delay@1")
    assert shown["judgements"][0]["actor"] == "ann"
    assert {event["kind"] for event in clew("events")} >= {"run.created", "version.added", "alias.moved"}
    assert not list((home / ".clew").glob("ledger*")) + list((home / ".clew").glob("objects"))


@pytest.mark.parametrize("declared", [True, False])
def test_a_script_logs_to_a_server(
    serve: Callable[..., Any], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    served = serve()
    token = served.token("ann", ProjectRole.CONTRIBUTOR)
    keep_token(served.url, token, {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    if declared:
        (home / "clew.toml").write_text(f'[project]\nname = "late"\n[server]\nurl = "{served.url}"\n')
        (home / ".clew").mkdir()
    else:  # a folder that is no project stays as it is
        monkeypatch.setenv("CLEW_SERVER", f"{served.url}/projects/late")
    (home / "script.py").write_text(
        "import clew\n"
        "with clew.run('baseline', params={'lr': 0.1}) as run:\n"
        "    for step in range(5000):\n"
        "        run.log(loss=1 / (step + 1), step=step)\n"
        "    run.save('note.txt', b'hello')\n"
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (home / ".clew").exists() is declared
    with open_workspace(home) as workspace:
        [run] = workspace.runs.list().items
        assert (run.name, run.created_by, run.status) == ("baseline", "ann", "finished")
        [series] = workspace.runs.summaries([run.id], keys=["loss"])
        assert series.count == 5000
        note = next(each for each in workspace.runs.artifacts(run.id) if each.path == "note.txt")
        assert workspace.objects.get(note.digest) == b"hello"
        with pytest.raises(Unavailable, match="on the server"):
            _ = workspace.stores


def test_the_gate_judges_on_the_server(serve: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve(settings=SETTINGS + "[policy]\napprovals = 1\n")
    token = served.token("ann", ProjectRole.MAINTAINER)
    from clew.testing.life import flights

    flights(300, seed=1).write_parquet(home / "flights.parquet")
    (home / "train.py").write_text(SCRIPT)
    (home / "clew.toml").write_text(SETTINGS)
    (home / ".clew").mkdir()
    monkeypatch.setenv("CLEW_SERVER", f"{served.url}/projects/late")
    monkeypatch.setenv("CLEW_TOKEN", token)
    clew("data", "add", "flights", "flights.parquet")
    clew("run", "train.py:train", "flights=flights@1")
    with Workspace(home) as workspace:
        with pytest.raises(GateRefused, match="approv"):
            workspace.promote("delay@1", "champion")
        monkeypatch.setenv("CLEW_TOKEN", served.token("bob", ProjectRole.CONTRIBUTOR))
        clew("model", "approve", "delay@1")
        assert workspace.promote("delay@1", "champion").number == 1


def test_credentials_are_their_owners_alone(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    file = keep_token("https://a.example", "clew_secret", environ)
    assert file == credentials_file(environ)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o077 == 0
