"""Where the bytes of a project are is noted beside its rows, and can be taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.errors import Corrupt
from clew.store.objects.choose import ObjectsPlace, find_place, settle_place


def test_a_place_is_noted_and_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / ".clew"
    assert find_place(folder) is None
    place = ObjectsPlace(place="s3://bucket", address="s3://bucket/flights")
    for _ in range(2):
        settle_place(folder, place)
        assert find_place(folder) == place
    settle_place(folder, None)
    assert find_place(folder) is None
    assert list(folder.iterdir()) == []


def test_a_damaged_note_is_told(tmp_path: Path) -> None:
    settle_place(tmp_path, ObjectsPlace(place="a", address="b"))
    [note] = tmp_path.iterdir()
    note.write_text("{")
    with pytest.raises(Corrupt, match="restore it from a backup"):
        find_place(tmp_path)
