"""`clew keys`, as a person and as a machine would use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clew.cli.main import main
from clew.serving.keys import KeyRing
from clew.workspace import init_project, open_workspace

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project that declares an endpoint."""
    init_project(tmp_path)
    with (tmp_path / "clew.toml").open("a", encoding="utf-8") as file:
        file.write('\n[endpoints.late]\nmodel = "delay"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEW_ACTOR", "ann")


def clew(capsys: Capture, *words: str) -> tuple[int, str, str]:
    code = main(words)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_a_key_is_made_listed_and_removed(capsys: Capture) -> None:
    code, out, _ = clew(capsys, "keys", "add", "late")
    secret = out.strip()
    assert code == 0
    with open_workspace() as workspace:
        assert KeyRing(workspace.stores.folder, "late", required=True).allows(f"Bearer {secret}")
    made = json.loads(clew(capsys, "keys", "add", "late", "--name", "shop", "--json")[1])
    assert (made["name"], made["key"] != secret) == ("shop", True)
    shown = clew(capsys, "keys", "list", "--json")[1]
    assert [key["name"] for key in json.loads(shown)["items"]] == ["ann", "shop"]
    assert secret not in shown
    assert clew(capsys, "keys", "remove", "late", "ann")[0] == 0
    assert [key["name"] for key in json.loads(clew(capsys, "keys", "list", "late", "--json")[1])["items"]] == ["shop"]


def test_a_wrong_name_is_an_error(capsys: Capture) -> None:
    code, _, err = clew(capsys, "keys", "add", "lat")
    assert code == 3
    assert "did you mean late?" in err
    assert clew(capsys, "keys", "remove", "late", "bob")[0] == 3
    assert "no keys yet" in clew(capsys, "keys", "list")[2]
