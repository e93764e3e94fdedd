"""Which folder a project on a server has on this machine, for who is in no folder of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.errors import Unavailable
from clew.workspace import FOLDER, remote_root


def root_of(state: Path, url: str) -> Path | None:
    return remote_root({"XDG_STATE_HOME": str(state), "CLEW_SERVER": url})


def test_each_project_on_a_server_has_a_folder_of_its_own(tmp_path: Path) -> None:
    names = ["a_b", "a-b", "a%20b", "A-b", "\u00fc", "%C3%BC", "x" * 200, "x" * 201]
    found = [root_of(tmp_path, f"https://host/projects/{name}") for name in names]
    assert len(set(found)) == len(names)
    for root in found:
        assert root is not None
        assert root.parent == tmp_path / "clew" / "remote"
        assert (root / FOLDER).is_dir()
    assert root_of(tmp_path, "http://host/projects/a_b/") == found[0]


def test_without_a_server_there_is_none(tmp_path: Path) -> None:
    assert root_of(tmp_path, "") is None
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Unavailable, match="cannot be made"):
        root_of(tmp_path / "file", "https://host/projects/a")
