"""A project in the current folder, as a script has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clew import facade
from clew.workspace import Workspace, init_project


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    init_project(tmp_path, name="p")
    monkeypatch.chdir(tmp_path)
    opened = facade.workspace()
    yield opened
    opened.close()
    facade._open.pop(tmp_path, None)
