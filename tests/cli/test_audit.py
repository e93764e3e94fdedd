"""`clew audit …` at the door."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clew.cli.main import root
from clew.testing.runs import a_run
from clew.workspace import init_project, open_workspace


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLEW_SIGNING_KEY", str(tmp_path / "key.pem"))
    folder = init_project(tmp_path / "project", name="flights")
    monkeypatch.chdir(folder)
    return folder


def clew(*words: str) -> Result:
    return CliRunner().invoke(root, words)


def test_a_project_is_verified_witnessed_and_exported(project: Path) -> None:
    done = clew("audit", "verify")
    assert done.exit_code == 0
    assert "nothing is wrong: 1 event, 0 rows; the chain ends at 1" in done.stdout
    assert "without a checkpoint nobody can tell" in done.stderr
    assert "2 events" in clew("audit", "checkpoint", "--to", "../c.jsonl").stdout
    assert "nothing was sealed" in clew("audit", "checkpoint", "--to", "../c.jsonl").stdout
    found = json.loads(clew("audit", "verify", "--checkpoint", "../c.jsonl", "--json").stdout)
    assert (found["holds"], found["checkpoints"], found["unknown"]) == (True, 1, [])
    lines = clew("audit", "export").stdout.splitlines()
    assert [json.loads(line)["position"] for line in lines] == [1, 2]
    assert "2 events in" in clew("audit", "export", "--to", "e.jsonl").stdout
    assert Path("e.jsonl").read_text().splitlines() == lines
    assert [row["position"] for row in json.loads(clew("events", "--json").stdout)["items"]] == [2, 1]


def test_what_is_wrong_is_named_and_ends_with_one(project: Path) -> None:
    clew("audit", "checkpoint", "--to", "../c.jsonl")
    raw = sqlite3.connect(project / ".clew" / "ledger.db")
    raw.execute("UPDATE events SET document = replace(document, 'flights', 'trains') WHERE position = 1")
    raw.commit()
    raw.close()
    done = clew("audit", "verify", "--checkpoint", "../c.jsonl")
    assert done.exit_code == 1
    assert "project.added" in done.stdout
    assert "it is not what was sealed" in done.stdout
    assert "1 problem:" in done.stdout


def test_what_is_wrong_with_a_row_has_no_number_and_no_time(project: Path) -> None:
    with open_workspace() as workspace:
        workspace.runs.create(a_run(project=workspace.stores.project, name="baseline"), experiment="e")
    raw = sqlite3.connect(project / ".clew" / "ledger.db")
    raw.execute("UPDATE runs SET name = 'forged'")
    raw.commit()
    raw.close()
    done = clew("audit", "verify")
    assert "its column name holds 'forged'" in done.stdout
    assert "1970" not in done.stdout


def test_a_place_without_checkpoints_is_said(project: Path) -> None:
    done = clew("audit", "verify", "--checkpoint", "../nothing.jsonl")
    assert done.exit_code != 0
    assert "no checkpoint named '../nothing.jsonl'" in str(done.exception)


def test_events_that_wait_have_no_number(project: Path) -> None:
    assert [row["position"] for row in json.loads(clew("events", "--json").stdout)["items"]] == [None]
