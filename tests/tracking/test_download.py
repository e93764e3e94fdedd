"""Files of a run, written into a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.errors import Conflict, Exists, Invalid, NotFound
from clew.core.types.run import Artifact
from clew.store.objects.memory import MemoryObjects
from clew.tracking.download import artifacts_at, download


def files_of(objects: MemoryObjects, **contents: bytes) -> list[Artifact]:
    """Artifacts by path, in which `__` stands for `/`."""
    made = []
    for word, data in contents.items():
        path = word.replace("__", "/")
        digest = objects.put(data)
        made.append(Artifact(run="1" * 32, path=path, digest=digest, size_bytes=len(data), media_type="", created_us=1))
    return made


@pytest.fixture
def objects() -> MemoryObjects:
    return MemoryObjects()


def test_files_come_at_their_paths_and_are_counted(objects: MemoryObjects, tmp_path: Path) -> None:
    found = files_of(objects, notes=b"{}", figures__loss=b"png", figures__deep__auc=b"more")
    told: list[int] = []
    download(objects, found, tmp_path / "new" / "files", tell=told.append)
    root = tmp_path / "new" / "files"
    written = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert written == {"notes": b"{}", "figures/loss": b"png", "figures/deep/auc": b"more"}
    assert sorted(told) == [2, 3, 4]


def test_a_path_means_a_file_or_what_is_below_a_folder(objects: MemoryObjects) -> None:
    found = files_of(objects, notes=b"", figures__loss=b"", figures__deep__auc=b"", figures2=b"")
    for path, wanted in (
        ("notes", ["notes"]),
        ("figures", ["figures/loss", "figures/deep/auc"]),
        ("figures/", ["figures/loss", "figures/deep/auc"]),
        ("figures/deep", ["figures/deep/auc"]),
    ):
        assert [each.path for each in artifacts_at(found, path)] == wanted
    for misspelt, near in (("figure/loss", "figures/loss"), ("figuers", "figures")):
        with pytest.raises(NotFound) as error:
            artifacts_at(found, misspelt)
        assert near in error.value.near


def test_nothing_is_written_over_unless_that_is_asked_for(objects: MemoryObjects, tmp_path: Path) -> None:
    found = files_of(objects, aaa=b"new", notes=b"new")
    (tmp_path / "notes").write_bytes(b"old")
    with pytest.raises(Exists, match="--force"):
        download(objects, found, tmp_path, tell=lambda _: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes"]
    download(objects, found, tmp_path, force=True, tell=lambda _: None)
    assert (tmp_path / "notes").read_bytes() == b"new"


def test_what_is_there_already_stays_as_it_is(objects: MemoryObjects, tmp_path: Path) -> None:
    found = files_of(objects, aaa=b"same", notes=b"same")
    (tmp_path / "aaa").write_bytes(b"same")
    before = (tmp_path / "aaa").stat().st_ino
    for _ in range(2):
        download(objects, found, tmp_path, tell=lambda _: None)
    assert ((tmp_path / "aaa").stat().st_ino, (tmp_path / "notes").read_bytes()) == (before, b"same")


def test_a_link_counts_as_there_and_is_never_followed(objects: MemoryObjects, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"same")
    folder = tmp_path / "files"
    folder.mkdir()
    for name, target in (("good", tmp_path / "elsewhere"), ("dangling", tmp_path / "nowhere")):
        (folder / name).symlink_to(target)
        found = files_of(objects, **{name: b"same"})
        with pytest.raises(Exists):
            download(objects, found, folder, tell=lambda _: None)
        download(objects, found, folder, force=True, tell=lambda _: None)
        assert not (folder / name).is_symlink()
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("path", ["../outside", "/outside", "a/../../outside", "a\\..\\outside", "", "."])
@pytest.mark.parametrize("force", [False, True])
def test_no_path_leads_out_of_the_folder(objects: MemoryObjects, tmp_path: Path, path: str, force: bool) -> None:
    (good,) = files_of(objects, aaa=b"good")
    bad = Artifact(run="1" * 32, path=path, digest=good.digest, size_bytes=4, media_type="", created_us=1)
    with pytest.raises(Invalid, match="cannot name an artifact"):
        download(objects, [good, bad], tmp_path / "files", force=force, tell=lambda _: None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("force", [False, True])
def test_a_file_and_a_folder_of_one_name_are_refused(objects: MemoryObjects, tmp_path: Path, force: bool) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "figures").write_bytes(b"")
    for found in (
        files_of(objects, notes=b"x"),
        files_of(objects, figures__loss=b"x"),
        files_of(objects, a=b"x", a__b=b"x"),
    ):
        with pytest.raises(Conflict):
            download(objects, found, tmp_path, force=force, tell=lambda _: None)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["figures", "notes"]
