"""`clew settings`, which a new project's clew.toml names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clew.cli.main import COMMANDS, main
from clew.workspace import init_project


def test_the_settings_of_one_table_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "capture", "--json"]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert {(item["table"], item["name"], item["default"]) for item in items} >= {("[capture]", "console", "true")}
    assert main(["settings", "capture"]) == 0
    assert capsys.readouterr().out.startswith("[capture]\n")


def test_a_table_that_is_none_is_said_to_be_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "gates"]) == 3
    assert "[gate.MODEL]" in capsys.readouterr().err


def test_the_file_of_a_new_project_names_a_command_that_is_there(tmp_path: Path) -> None:
    init_project(tmp_path)
    comment = (tmp_path / "clew.toml").read_text().splitlines()[0]
    assert comment.rpartition("clew ")[2] in COMMANDS
