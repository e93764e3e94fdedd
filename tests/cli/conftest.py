"""Commands as they are given in a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clew.cli.main import main
from clew.workspace import init_project


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Gives a command, and hands over what it says as JSON, or on stderr."""

    def call(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        found = main([*words, "--json"])
        said = capsys.readouterr()
        assert found == code, said.err + said.out
        return json.loads(said.out) if said.out else said.err

    return call


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new project, and the folder that commands are given in."""
    init_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
