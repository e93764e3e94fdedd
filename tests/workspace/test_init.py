"""Making a project: it is there whole, or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clew.core.errors import Exists, Invalid, NotFound, Unavailable
from clew.workspace import Workspace, init_project, open_workspace, refuse_shared


def test_a_project_that_could_not_be_made_can_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Workspace, root: Path, *, environ: object = None) -> None:
        (root / ".clew" / "ledger.db").write_bytes(b"half")
        raise Unavailable("no room")

    with monkeypatch.context() as patched:
        patched.setattr(Workspace, "__init__", full)
        with pytest.raises(Unavailable):
            init_project(tmp_path, name="late")
    assert not (tmp_path / ".clew").exists()
    init_project(tmp_path)
    with open_workspace(tmp_path) as workspace:
        assert workspace.settings.project.name == "late"


def test_settings_that_cannot_be_used_make_no_project(tmp_path: Path) -> None:
    (tmp_path / "clew.toml").write_text("[project]\nname = 3\n")
    with pytest.raises(Invalid):
        init_project(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["clew.toml"]


def test_a_project_is_never_made_over_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init_project(tmp_path)
    with pytest.raises(Exists):
        init_project(tmp_path)
    real = Path.is_dir
    seen: list[Path] = []

    def late(path: Path) -> bool:  # as it looks to who comes second by a moment
        seen.append(path)
        return real(path) if len(seen) > 1 else False

    with monkeypatch.context() as patched:
        patched.setattr(Path, "is_dir", late)
        with pytest.raises(Exists):
            init_project(tmp_path)
    with open_workspace(tmp_path) as workspace:
        assert workspace.datasets.list() == []


def test_a_file_is_no_place_for_a_project(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(Unavailable, match="no project can be made"):
        init_project(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_the_name_of_the_storage_survives_a_loss_of_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[Path, bool]] = []

    def sync_folder(folder: Path) -> None:
        synced.append((folder, (folder / ".clew").is_dir()))

    monkeypatch.setattr(sys.modules[init_project.__module__], "sync_folder", sync_folder)
    init_project(tmp_path)
    assert (tmp_path, True) in synced


@pytest.mark.parametrize("place", ["/", "home", "/tmp", "temporary"])
def test_no_project_is_made_by_itself_where_everything_else_lies_below(tmp_path: Path, place: str) -> None:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    environ = {"HOME": str(home), "TMPDIR": str(temporary)}
    folder = {"home": home, "temporary": temporary}.get(place, Path(place))
    with pytest.raises(NotFound, match="none is made by itself") as refused:
        refuse_shared(folder, environ)
    assert "clew init" in refused.value.hint
    refuse_shared(tmp_path / "home" / "work", environ)
