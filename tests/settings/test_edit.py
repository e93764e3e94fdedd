"""Adding tables to `clew.toml`: what a person wrote stays, or nothing changes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from clew.core.errors import Exists, Invalid, Unavailable
from clew.settings import append_tables, read_settings

TABLE = "[checks.flights]\nmin_rows = 7\n"
NAMES = ("checks", "flights")


def test_a_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "clew.toml"
    append_tables(path, TABLE, names=NAMES)
    assert path.read_text() == TABLE
    assert read_settings(path, {}).checks["flights"].min_rows == 7


@pytest.mark.parametrize("old", ['# mine\n[project]\nname="p" # so\n', '[project]\nname = "p"', "# é\r\n"])
def test_what_was_there_stays_byte_for_byte(tmp_path: Path, old: str) -> None:
    path = tmp_path / "clew.toml"
    path.write_bytes(old.encode())
    append_tables(path, TABLE, names=NAMES)
    assert path.read_bytes().startswith(old.encode())
    assert read_settings(path, {}).checks["flights"].min_rows == 7


@pytest.mark.parametrize(
    ("old", "text", "error"),
    [
        ("[checks.flights]\n", TABLE, Exists),
        ("checks.flights.min_rows = 3\n", TABLE, Exists),
        ("[gate.d]\nmin_acu = 1\n", TABLE, Invalid),
        ("x = [\n", TABLE, Invalid),
        ("", "[checks.flights]\nmin_row = 7\n", Invalid),
    ],
)
def test_what_does_not_fit_changes_nothing(tmp_path: Path, old: str, text: str, error: type[Exception]) -> None:
    path = tmp_path / "clew.toml"
    path.write_text(old)
    with pytest.raises(error):
        append_tables(path, text, names=NAMES)
    assert path.read_text() == old
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "real.toml", tmp_path / "clew.toml"
    target.write_text("")
    target.chmod(0o600)
    link.symlink_to(target)
    append_tables(link, TABLE, names=NAMES)
    assert link.is_symlink()
    assert target.read_text() == TABLE
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_failing_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clew.toml"
    path.write_text("")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        append_tables(path, TABLE, names=NAMES)
    assert path.read_text() == ""
    assert list(tmp_path.iterdir()) == [path]
