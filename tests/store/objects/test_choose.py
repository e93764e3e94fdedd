"""Where the bytes of a project are is noted beside its rows, and can be taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.contracts.objects import Objects
from clew.core.errors import Corrupt, Invalid
from clew.store.objects import CachedObjects, LocalObjects
from clew.store.objects.choose import (
    FOLDER,
    ObjectsPlace,
    choose_objects,
    find_place,
    has_objects,
    objects_at,
    settle_place,
)


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


def choose(folder: Path, place: str) -> Objects:
    return choose_objects(folder, place, project="a", cache_gb=1)


def test_bytes_are_in_the_folder_unless_a_setting_says_otherwise(tmp_path: Path) -> None:
    folder = tmp_path / ".clew"
    here = choose(folder, FOLDER)
    assert isinstance(here, LocalObjects)
    assert not has_objects(folder / "objects")
    digest = here.put(b"one")
    assert has_objects(folder / "objects")
    with pytest.raises(Invalid, match="keeps its bytes in its folder"):
        choose(folder, str(tmp_path / "disk"))
    assert choose(folder, FOLDER).get(digest) == b"one"


def test_a_pack_alone_is_something_too(tmp_path: Path) -> None:
    objects = choose(tmp_path, FOLDER)
    with objects.batch() as batch:
        batch.put(b"one")
    assert has_objects(tmp_path / "objects")


def test_another_folder_is_remembered(tmp_path: Path) -> None:
    folder, disk = tmp_path / ".clew", tmp_path / "a disk"
    digest = choose(folder, f"{disk}/").put(b"one")
    assert (disk / "projects" / "a" / "loose").is_dir()
    assert choose(folder, f"{disk}/").get(digest) == b"one"
    assert choose(folder, FOLDER).get(digest) == b"one", "where they are is noted"
    with pytest.raises(Invalid, match=r"keeps its bytes in .*a disk"):
        choose(folder, str(tmp_path / "other"))


def test_an_address_of_a_folder_is_one_too(tmp_path: Path) -> None:
    objects = objects_at(tmp_path, (tmp_path / "a b").as_uri(), cache_gb=1)
    assert isinstance(objects, LocalObjects)
    assert objects.folder == tmp_path / "a b"


def test_a_bucket_is_cached_here(tmp_path: Path) -> None:
    objects = objects_at(tmp_path, "memory:///", cache_gb=0.5)
    assert isinstance(objects, CachedObjects)
    assert objects.get(objects.put(b"one")) == b"one"
    assert (tmp_path / "cache" / "objects").is_dir()
