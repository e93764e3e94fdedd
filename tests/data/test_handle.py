from __future__ import annotations

import fcntl
import stat
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from clew.core.errors import Corrupt, Invalid, NotFound
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.data import handle
from clew.data.catalog import Catalog
from clew.data.diff_files import FileSeen
from clew.data.origin import Origin
from clew.data.site import Site

ROWS = pl.DataFrame({"id": [1, 2], "x": ["a", "b"]})


@pytest.fixture
def catalog(site: Site, tmp_path: Path) -> Catalog:
    catalog = Catalog(site)
    folder = tmp_path / "in"
    (folder / "d").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"a")
    (folder / "d" / "b.txt").write_bytes(b"bb")
    (folder / "d" / "empty").write_bytes(b"")
    (folder / "d" / "link").symlink_to("../a.txt")
    (folder / "out").symlink_to("../../etc/passwd")
    (folder / "root").symlink_to("/etc/passwd")
    (folder / "around").symlink_to("around")
    catalog.add("raw", folder)
    catalog.add("rows", ROWS, origin=Origin(message="rows"))
    return catalog


def test_a_table_is_read_in_every_way(catalog: Catalog) -> None:
    rows = catalog.get("rows@1")
    assert (rows.reference, rows.rows, rows.schema) == ("rows@1", 2, {"id": "Int64", "x": "String"})
    assert rows.digest == rows.version.digest
    assert_frame_equal(rows.frame(), ROWS)
    assert rows.lazy().filter(pl.col("id") == 2).select("x").collect().item() == "b"
    assert "rows@1, 2 rows" in repr(rows)
    assert_frame_equal(pl.read_parquet(rows.path()), ROWS)


def test_the_parquet_file_of_a_table_can_be_written_by_who_is_not_root(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pl.LazyFrame.sink_parquet

    def sink(frame: pl.LazyFrame, path: str, **options: Any) -> None:
        assert Path(path).stat().st_mode & stat.S_IWUSR
        real(frame, path, **options)

    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", sink)
    assert catalog.get("rows").path().exists()


def test_the_parquet_file_of_a_table_is_put_right(catalog: Catalog) -> None:
    rows = catalog.get("rows")
    path = rows.path()
    before = path.stat().st_ino
    assert rows.path().stat().st_ino == before
    path.chmod(0o644)
    path.write_bytes(b"somebody wrote here")
    assert_frame_equal(pl.read_parquet(rows.path()), ROWS)


def test_processes_that_ask_for_a_folder_at_once_make_it_one_after_the_other(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def checkout(site: Site, version: DatasetVersion, target: Path, **options: Any) -> None:
        with Path(f"{target}.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        real(site, version, target, **options)

    real = handle.checkout
    monkeypatch.setattr(handle, "checkout", checkout)
    assert (catalog.get("raw").path() / "a.txt").read_bytes() == b"a"


def test_files_are_read_in_every_way(catalog: Catalog) -> None:
    raw = catalog.get("raw")
    assert list(raw.files())[:4] == [
        FileSeen("a.txt", 1),
        FileSeen("around", 6),
        FileSeen("d/b.txt", 2),
        FileSeen("d/empty", 0),
    ]
    assert raw.read("d/b.txt") == b"bb"
    assert raw.read("d/empty") == b""
    with raw.open("d/link") as file:
        assert file.read() == b"a"
    assert (raw.path() / "d" / "b.txt").read_bytes() == b"bb"
    assert raw.path("d/b.txt").read_bytes() == b"bb"
    assert sorted(path.name for path in raw.path("d").iterdir()) == ["b.txt", "empty", "link"]
    assert "raw@1, 7 files" in repr(raw)


def test_files_that_were_changed_in_the_cache_are_put_right(catalog: Catalog) -> None:
    raw = catalog.get("raw")
    top = raw.path()
    (top / "a.txt").write_bytes(b"changed")
    (top / "more").write_bytes(b"more")
    assert raw.path() == top
    assert (top / "a.txt").read_bytes() == b"a"
    assert not (top / "more").exists()


@pytest.mark.parametrize("name", ["out", "root", "around"])
def test_a_link_is_not_followed_out_of_the_version(catalog: Catalog, name: str) -> None:
    with pytest.raises(Invalid, match="leads out"):
        catalog.get("raw").open(name)


def test_what_is_not_there(catalog: Catalog) -> None:
    raw, rows = catalog.get("raw"), catalog.get("rows")
    with pytest.raises(NotFound, match=r"did you mean d/b\.txt"):
        raw.read("d/bb.txt")
    with pytest.raises(NotFound):
        raw.path("absent")
    with pytest.raises(Invalid, match="folder"):
        raw.open("d")
    with pytest.raises(Invalid, match="not a table"):
        raw.lazy()
    with pytest.raises(Invalid, match="not files"):
        rows.open("x")
    with pytest.raises(Invalid, match="not files"):
        list(rows.files())
    with pytest.raises(Invalid, match="no file"):
        rows.path("x")
    with pytest.raises(NotFound):
        catalog.get("rows@7")


def test_a_lost_part_is_told(catalog: Catalog, site: Site) -> None:
    rows = catalog.get("rows")
    site.objects.delete([digest for digest in site.objects.list() if digest != rows.version.manifest])
    with pytest.raises((NotFound, Corrupt)):
        rows.frame()


def test_the_catalog_chooses_the_kind(catalog: Catalog, tmp_path: Path) -> None:
    ROWS.write_csv(tmp_path / "rows.csv")
    (tmp_path / "notes.txt").write_text("x")
    assert catalog.add("csv", tmp_path / "rows.csv").version.kind is DatasetKind.TABLE
    assert catalog.add("notes", tmp_path / "notes.txt").version.kind is DatasetKind.FILES
    assert catalog.add("kept", tmp_path / "rows.csv", kind=DatasetKind.FILES).version.kind is DatasetKind.FILES
    assert not catalog.add("kept", tmp_path / "rows.csv").new
    assert [one.name for one in catalog.list()] == ["csv", "kept", "notes", "raw", "rows"]
    assert [one.number for one in catalog.versions("rows").items] == [1]
    with pytest.raises(Invalid, match="this is a frame"):
        catalog.add("raw", ROWS)


def test_the_catalog_diffs_and_takes_out(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "in" / "a.txt").write_bytes(b"changed")
    assert [one.path for one in catalog.status(tmp_path / "in").diff.changed] == ["a.txt"]
    catalog.add("raw", tmp_path / "in")
    between = catalog.diff("raw@1", "raw@2")
    assert between.files is not None
    assert [one.path for one in between.files.changed] == ["a.txt"]
    assert catalog.checkout("raw@1", tmp_path / "in").written == 1
    with pytest.raises(Invalid, match="holds"):
        catalog.diff("raw@1", "rows@1")


def test_a_dataset_that_is_used_as_a_frame_says_where_its_rows_are(catalog: Catalog) -> None:
    rows: Any = catalog.get("rows@1")
    with pytest.raises(AttributeError, match=r"a clew.Dataset has no attribute 'group_by': its rows are .frame\(\)"):
        rows.group_by("x")
    assert not hasattr(rows, "__array__")
