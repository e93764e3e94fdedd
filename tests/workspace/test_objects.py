"""Where a project keeps its bytes: in its folder, in another one, or in a bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.errors import Corrupt, Invalid
from clew.store.objects import CachedObjects, LocalObjects
from clew.workspace import Workspace, init_project


def test_bytes_may_lie_in_another_folder(tmp_path: Path) -> None:
    around = {"CLEW_OBJECTS": str(tmp_path / "disk")}
    for name in ("one", "two"):
        init_project(tmp_path / name, environ=around)
    with Workspace(tmp_path / "one", environ=around) as one, Workspace(tmp_path / "two", environ=around) as two:
        digest = one.stores.objects.put(b"bytes")
        assert isinstance(one.stores.objects, LocalObjects)
        assert one.stores.objects.folder == tmp_path / "disk" / "projects" / one.stores.project
        assert two.stores.objects.missing([digest]) == {digest}
    with Workspace(tmp_path / "one", environ=around) as one:
        assert one.stores.objects.get(digest) == b"bytes"


def test_the_setting_in_the_file_is_enough(tmp_path: Path) -> None:
    (tmp_path / "clew.toml").write_text(f'[storage]\nobjects = "file://{tmp_path}/with%20space"\n')
    init_project(tmp_path, environ={})
    with Workspace(tmp_path, environ={}) as workspace:
        workspace.stores.objects.put(b"bytes")
    assert (tmp_path / "with space" / "projects").is_dir()


def test_a_bucket_is_read_through_a_cache(tmp_path: Path) -> None:
    around = {"CLEW_OBJECTS": "s3://bucket/prefix"}
    init_project(tmp_path, environ=around)
    with Workspace(tmp_path, environ=around) as workspace:
        objects = workspace.stores.objects
        assert isinstance(objects, CachedObjects)
        assert objects.inner.bucket.address == f"s3://bucket/prefix/projects/{workspace.stores.project}"  # type: ignore[attr-defined]


def test_bytes_are_not_looked_for_elsewhere(tmp_path: Path) -> None:
    init_project(tmp_path / "p", environ={})
    disk = {"CLEW_OBJECTS": str(tmp_path / "disk")}
    with Workspace(tmp_path / "p", environ={}) as workspace:
        workspace.stores.objects.put(b"bytes")
    with pytest.raises(Invalid, match="keeps its bytes in its folder"):
        Workspace(tmp_path / "p", environ=disk)
    init_project(tmp_path / "q", environ=disk)
    with pytest.raises(Invalid, match=f"keeps its bytes in {tmp_path / 'disk'}"):
        Workspace(tmp_path / "q", environ={"CLEW_OBJECTS": str(tmp_path / "other")})
    with Workspace(tmp_path / "q", environ={}) as workspace:
        workspace.stores.objects.put(b"still there")
    assert len(list((tmp_path / "disk").rglob("loose/*/*"))) == 1


def test_an_empty_ledger_is_not_taken_for_the_one_that_is_gone(tmp_path: Path) -> None:
    around = {"CLEW_OBJECTS": str(tmp_path / "disk")}
    init_project(tmp_path / "p", environ=around)
    (tmp_path / "p" / ".clew" / "ledger.db").unlink()
    with pytest.raises(Corrupt, match="is gone"):
        Workspace(tmp_path / "p", environ=around)


@pytest.mark.parametrize("place", ["relative/path", "s3://", "ftp://host/x", "s3:/bucket"])
def test_a_place_that_is_none_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(Invalid, match="neither folder"):
        init_project(tmp_path / "p", environ={"CLEW_OBJECTS": place})
