"""Add, diff, status and checkout of files versions, as one story: what goes in comes out."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import stat
from importlib import import_module
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.core.clock import SystemClock
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Invalid, NotFound
from clew.core.ids import Ids
from clew.core.types.dataset import DatasetKind
from clew.data import checkout as checkout_module
from clew.data import snapshot as snapshot_module
from clew.data.add_files import add_files
from clew.data.checkout import checkout
from clew.data.diff_files import FileChange, FileDiff, FileRename, FileSeen, diff_files
from clew.data.origin import Addition, Origin
from clew.data.site import Site
from clew.data.stat_cache import load, save
from clew.data.status import status
from clew.data.tree import reader
from clew.store.ledger.memory import MemoryLedger
from clew.store.objects import MemoryObjects

Tree = dict[str, "bytes | str | Tree"]
"""A file's bytes, a link's target as text, and folders."""
_times_ns = count(10**18)


def make(root: Path, tree: Tree) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name, content in tree.items():
        path = root / name
        if isinstance(content, dict):
            make(path, content)
        elif isinstance(content, str):
            path.symlink_to(content)
        else:
            write(path, content)


def write(path: Path, content: bytes) -> None:
    """Give a file a content and a time of its own: file systems may give one time to changes milliseconds apart."""
    path.write_bytes(content)
    at_ns = next(_times_ns)
    os.utime(path, ns=(at_ns, at_ns))


def seen(root: Path) -> Tree:
    found: Tree = {}
    for path in root.iterdir():
        if path.is_symlink():
            found[path.name] = str(path.readlink())
        else:
            found[path.name] = seen(path) if path.is_dir() else path.read_bytes()
    return found


def age(root: Path) -> None:
    """Let everything look as if it were written long ago, which makes it safe to trust its look."""
    for path in [*root.rglob("*")]:
        os.utime(path, ns=(10**9 + 1, 10**9 + 1), follow_symlinks=False)


@pytest.fixture(autouse=True)
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are quicker than the margin for clocks; those about the margin set it back."""
    monkeypatch.setattr(import_module("clew.data.stat_cache"), "_MARGIN_NS", -(10**12))


SAMPLE: Tree = {
    "a.txt": b"first",
    "empty": b"",
    "nested": {"b.bin": bytes(range(256)) * 50, "deep": {"c": b"c"}, "void": {}},
    "link": "a.txt",
    "broken": "/nowhere/at/all",
    "name with  spaces \n and ünïcode 🦆": b"odd",
    os.fsdecode(b"not utf-8 \xff\xfe"): b"odder",
    "-rf": b"oddest",
}


def test_what_is_added_comes_out(site: Site, tmp_path: Path) -> None:
    make(tmp_path / "in", SAMPLE)
    (tmp_path / "in" / "a.txt").chmod(0o755)
    added = add_files(site, "raw", tmp_path / "in", origin=Origin(message="first"))
    assert added.new
    assert (added.version.reference, added.version.rows, added.version.message) == ("raw@1", 9, "first")
    assert added.version.size_bytes == sum(
        p.lstat().st_size for p in (tmp_path / "in").rglob("*") if not p.is_dir() or p.is_symlink()
    )
    done = checkout(site, added.version, tmp_path / "out")
    assert (done.written, done.removed, done.unchanged, done.kept) == (9, 0, 0, 0)
    assert seen(tmp_path / "out") == SAMPLE
    assert stat.S_IMODE((tmp_path / "out" / "a.txt").stat().st_mode) & 0o111
    assert not stat.S_IMODE((tmp_path / "out" / "empty").stat().st_mode) & 0o111
    again = checkout(site, added.version, tmp_path / "out")
    assert (again.written, again.unchanged) == (0, 9)


def test_a_single_file_is_a_folder_with_one_file(site: Site, tmp_path: Path) -> None:
    (tmp_path / "flights.csv").write_bytes(b"a,b\n")
    (tmp_path / "other.csv").write_bytes(b"x")
    (tmp_path / "latest").symlink_to("flights.csv")
    added = add_files(site, "raw", tmp_path / "latest")
    assert not add_files(site, "raw", tmp_path / "flights.csv").new
    checkout(site, added.version, tmp_path / "out")
    assert seen(tmp_path / "out") == {"flights.csv": b"a,b\n"}


def test_adding_again_makes_no_version_and_reads_nothing(site: Site, tmp_path: Path) -> None:
    make(tmp_path / "in", SAMPLE)
    first = add_files(site, "raw", tmp_path / "in")
    told: list[tuple[int, int]] = []
    second = add_files(site, "raw", tmp_path / "in", tell=lambda done, total: told.append((done, total)))
    assert (second.new, second.version) == (False, first.version)
    assert told == []
    (tmp_path / "in" / "a.txt").write_bytes(b"second")
    third = add_files(site, "raw", tmp_path / "in", tell=lambda done, total: told.append((done, total)))
    assert third.version.number == 2
    assert told[-1] == (1, 1)


def test_equal_trees_are_equal_digests_wherever_they_are(site: Site, tmp_path: Path) -> None:
    make(tmp_path / "one", SAMPLE)
    make(tmp_path / "two", dict(reversed(SAMPLE.items())))
    one, two = add_files(site, "one", tmp_path / "one"), add_files(site, "two", tmp_path / "two")
    assert one.version.digest == two.version.digest
    assert not add_files(site, "one", tmp_path / "two").new
    (tmp_path / "two" / "a.txt").chmod(0o755)
    assert add_files(site, "one", tmp_path / "two").new


def test_bookkeeping_folders_are_no_data(site: Site, tmp_path: Path) -> None:
    make(tmp_path / "in", {"a": b"a", ".clew": {"x": b"x"}, ".git": {"y": b"y"}, ".clew-0123456789abcdef.tmp": b"z"})
    added = add_files(site, "raw", tmp_path / "in")
    assert added.version.rows == 1
    checkout(site, added.version, tmp_path / "out")
    assert seen(tmp_path / "out") == {"a": b"a"}


def test_what_cannot_be_added(site: Site, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        add_files(site, "raw", tmp_path / "absent")
    (tmp_path / "in").mkdir()
    with pytest.raises(Invalid, match="no files"):
        add_files(site, "raw", tmp_path / "in")
    os.mkfifo(tmp_path / "in" / "pipe")
    with pytest.raises(Invalid, match="pipe"):
        add_files(site, "raw", tmp_path / "in")
    with pytest.raises(Invalid):
        add_files(site, "no/name", tmp_path / "in")
    assert site.datasets.list() == []


def test_what_clew_keeps_is_neither_added_nor_written_over(site: Site, stores: Stores, tmp_path: Path) -> None:
    make(tmp_path / "in", {"a": b"a"})
    added = add_files(site, "raw", tmp_path / "in")
    (tmp_path / "way in").symlink_to(stores.folder)
    for path in (stores.folder, stores.folder / "objects", tmp_path / "way in"):
        before = seen(path)
        with pytest.raises(Invalid, match="storage"):
            add_files(site, "mine", path)
        with pytest.raises(Invalid, match="storage"):
            checkout(site, added.version, path, force=True)
        assert seen(path) == before
    assert [one.name for one in site.datasets.list()] == ["raw"]


def test_a_file_that_changes_while_it_is_added_is_a_conflict(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "in", {"a": b"a" * 100, "b": b"b"})
    scan = snapshot_module._plan

    def later(*args: object) -> object:
        write(tmp_path / "in" / "a", b"A" * 100)
        return scan(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(snapshot_module, "_plan", later)
    with pytest.raises(Conflict, match="changed while"):
        add_files(site, "raw", tmp_path / "in")
    monkeypatch.setattr(snapshot_module, "_plan", lambda *args: (shutil.rmtree(tmp_path / "in"), scan(*args))[1])
    with pytest.raises(Conflict, match="vanished"):
        add_files(site, "raw", tmp_path / "in")
    assert site.datasets.list() == []


def test_large_files_are_streamed_and_not_stored_twice(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_module, "SMALL_BYTES", 1000)
    noise = random.Random(1).randbytes(5000)
    make(tmp_path / "in", {"big": noise, "small": b"s"})
    added = add_files(site, "raw", tmp_path / "in")
    os.utime(tmp_path / "in" / "big")
    monkeypatch.setattr(type(site.objects), "put_file", lambda *_: pytest.fail("it was stored before"))
    assert not add_files(site, "raw", tmp_path / "in").new
    checkout(site, added.version, tmp_path / "out")
    assert (tmp_path / "out" / "big").read_bytes() == noise


def test_a_change_within_one_tick_of_the_clock_is_seen(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("clew.data.stat_cache"), "_MARGIN_NS", 10**11)
    make(tmp_path / "in", {"a": b"one", "b": b"same"})
    add_files(site, "raw", tmp_path / "in")
    before = (tmp_path / "in" / "a").stat()
    looks = snapshot_module.looks
    (tmp_path / "in" / "a").write_bytes(b"two")

    def same_look(state: object) -> object:
        found = looks(state)  # type: ignore[arg-type]
        assert found[b"a"].ctime_ns == -1
        assert found[b"a"].mtime_ns == before.st_mtime_ns
        return found

    monkeypatch.setattr(snapshot_module, "looks", same_look)
    assert add_files(site, "raw", tmp_path / "in").new


@pytest.mark.parametrize("harm", ["gone", "garbage", "flipped", "of another version", "of lost objects"])
def test_a_stat_cache_may_be_lost_or_wrong(site: Site, tmp_path: Path, harm: str) -> None:
    make(tmp_path / "in", SAMPLE)
    first = add_files(site, "raw", tmp_path / "in")
    (cache,) = (site.folder / "stat").iterdir()
    if harm == "gone":
        cache.unlink()
    elif harm == "garbage":
        cache.write_bytes(b"garbage" * 100)
    elif harm == "flipped":
        data = bytearray(cache.read_bytes())
        data[100] ^= 1
        cache.write_bytes(data)
    elif harm == "of another version":
        make(tmp_path / "other", {"x": b"x"})
        site.datasets.commit(add_files(site, "elsewhere", tmp_path / "other").version)
        wrong = load(site.folder, tmp_path / "in")
        assert wrong is not None
        save(site.folder, msgspec.structs.replace(wrong, references=["elsewhere@1"]))
    else:
        (tmp_path / "in" / "a.txt").write_bytes(b"changed")
        site.objects.delete([first.version.digest])
    second = add_files(site, "raw", tmp_path / "in")
    assert second.new == (harm == "of lost objects")
    checkout(site, second.version, tmp_path / "out")
    assert seen(tmp_path / "out") == seen(tmp_path / "in")


def diff_of(site: Site, one: Addition, two: Addition) -> FileDiff:
    return diff_files(reader(site.objects), one.version.digest, two.version.digest)


def test_a_diff_names_what_changed(site: Site, tmp_path: Path) -> None:
    before: Tree = {
        "same": b"same",
        "changed": b"one",
        "gone": b"gone",
        "old name": b"moved",
        "folder": {"inner": b"inner", "deep": {"x": b"x"}},
        "kind": b"file",
        "script": b"run",
        "hollow": {},
        "link": "same",
    }
    after: Tree = {
        "same": b"same",
        "changed": b"twoo",
        "come": b"come",
        "new name": b"moved",
        "renamed folder": {"inner": b"inner", "deep": {"x": b"x"}},
        "kind": {"now": b"a folder"},
        "script": b"run",
        "hollow too": {},
        "link": "changed",
    }
    make(tmp_path / "in", before)
    one = add_files(site, "raw", tmp_path / "in")
    shutil.rmtree(tmp_path / "in")
    make(tmp_path / "in", after)
    (tmp_path / "in" / "script").chmod(0o755)
    two = add_files(site, "raw", tmp_path / "in")
    diff = diff_of(site, one, two)
    assert diff.added == [FileSeen("come", 4), FileSeen("hollow too/", 0), FileSeen("kind/now", 8)]
    assert diff.removed == [FileSeen("gone", 4), FileSeen("hollow/", 0), FileSeen("kind", 4)]
    assert diff.changed == [
        FileChange("changed", 3, 4, True),
        FileChange("link", 4, 7, True),
        FileChange("script", 3, 3, False),
    ]
    assert diff.renamed == [
        FileRename("old name", "new name", 5),
        FileRename("folder/deep/x", "renamed folder/deep/x", 1),
        FileRename("folder/inner", "renamed folder/inner", 5),
    ]
    assert diff_of(site, one, one).empty


def test_a_file_that_keeps_its_name_is_the_one_that_moved(site: Site, tmp_path: Path) -> None:
    make(tmp_path / "in", {"a": {"x": b"same", "y": b"same"}})
    one = add_files(site, "raw", tmp_path / "in")
    shutil.rmtree(tmp_path / "in")
    make(tmp_path / "in", {"b": {"other": b"same", "x": b"same"}})
    two = add_files(site, "raw", tmp_path / "in")
    assert diff_of(site, one, two).renamed == [FileRename("a/y", "b/other", 4), FileRename("a/x", "b/x", 4)]


def test_a_diff_reads_what_changed_alone(site: Site, tmp_path: Path) -> None:
    make(tmp_path / "in", {f"d{i}": {"f": b"%d" % i} for i in range(50)})
    one = add_files(site, "raw", tmp_path / "in")
    write(tmp_path / "in" / "d7" / "f", b"x")
    two = add_files(site, "raw", tmp_path / "in")
    folders: list[str] = []
    read = reader(site.objects)
    diff = diff_files(lambda digest: (folders.append(digest), read(digest))[1], one.version.digest, two.version.digest)
    assert [change.path for change in diff.changed] == ["d7/f"]
    assert len(folders) == 4


def test_status_tells_what_differs(site: Site, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="clew data add"):
        status(site, tmp_path)
    make(tmp_path / "in", SAMPLE)
    add_files(site, "raw", tmp_path / "in")
    assert status(site, tmp_path / "in").diff.empty
    stored = set(site.objects.list())
    (tmp_path / "in" / "a.txt").write_bytes(b"changed")
    (tmp_path / "in" / "nested" / "new").write_bytes(b"new")
    (tmp_path / "in" / "-rf").unlink()
    found = status(site, tmp_path / "in")
    assert found.reference == "raw@1"
    assert [change.path for change in found.diff.changed] == ["a.txt"]
    assert [one.path for one in found.diff.added] == ["nested/new"]
    assert [one.path for one in found.diff.removed] == ["-rf"]
    assert set(site.objects.list()) == stored


def test_a_checkout_moves_between_versions(site: Site, tmp_path: Path) -> None:
    make(tmp_path / "in", {"a": b"1", "d": {"x": b"x", "y": b"y"}, "t": b"a file", "u": {"v": {"w": b"w"}}})
    one = add_files(site, "raw", tmp_path / "in").version
    shutil.rmtree(tmp_path / "in")
    make(tmp_path / "in", {"a": b"2", "d": {"x": b"x"}, "t": {"now": b"a folder"}, "u": b"a file", "n": {}})
    two = add_files(site, "raw", tmp_path / "in").version
    checkout(site, one, tmp_path / "out")
    done = checkout(site, two, tmp_path / "out")
    assert seen(tmp_path / "out") == seen(tmp_path / "in")
    assert (done.written, done.removed, done.unchanged) == (3, 3, 1)
    checkout(site, one, tmp_path / "in")
    assert seen(tmp_path / "in") == {"a": b"1", "d": {"x": b"x", "y": b"y"}, "t": b"a file", "u": {"v": {"w": b"w"}}}
    assert status(site, tmp_path / "in").diff.empty


def test_a_checkout_does_not_write_over_work(site: Site, tmp_path: Path) -> None:
    make(tmp_path / "in", {"a": b"1", "b": b"b", "d": {"x": b"x"}})
    one = add_files(site, "raw", tmp_path / "in").version
    write(tmp_path / "in" / "a", b"2")
    two = add_files(site, "raw", tmp_path / "in").version
    out = tmp_path / "out"
    checkout(site, one, out)
    (out / "a").write_bytes(b"my own work")
    (out / "mine").write_bytes(b"not in any version")
    before = seen(out)
    with pytest.raises(Conflict, match=r"over what is in no version: a ") as caught:
        checkout(site, two, out)
    assert "--force" in caught.value.hint
    assert seen(out) == before
    done = checkout(site, two, out, force=True)
    assert done.kept == 1
    assert seen(out) == {"a": b"2", "b": b"b", "d": {"x": b"x"}, "mine": b"not in any version"}
    checkout(site, two, out, exact=True, force=True)
    assert seen(out) == {"a": b"2", "b": b"b", "d": {"x": b"x"}}


def test_files_in_the_way_of_a_folder_are_work_too(site: Site, tmp_path: Path) -> None:
    make(tmp_path / "in", {"d": {"x": b"x"}, "f": b"f"})
    one = add_files(site, "raw", tmp_path / "in").version
    make(tmp_path / "out", {"d": b"a file of mine", "f": {"g": {"h": b"a folder of mine"}}})
    with pytest.raises(Conflict, match=r"d, f/g/h"):
        checkout(site, one, tmp_path / "out")
    checkout(site, one, tmp_path / "out", force=True)
    assert seen(tmp_path / "out") == {"d": {"x": b"x"}, "f": b"f"}
    (tmp_path / "a file").write_bytes(b"")
    with pytest.raises(Conflict, match="no folder"):
        checkout(site, one, tmp_path / "a file")


def test_a_checkout_never_follows_a_link(site: Site, tmp_path: Path) -> None:
    make(tmp_path / "in", {"d": {"x": b"evil"}, "l": b"evil"})
    one = add_files(site, "raw", tmp_path / "in").version
    make(tmp_path / "precious", {"x": b"precious"})
    make(tmp_path / "out", {"d": str(tmp_path / "precious"), "l": str(tmp_path / "precious" / "x")})
    with pytest.raises(Conflict):
        checkout(site, one, tmp_path / "out")
    checkout(site, one, tmp_path / "out", force=True)
    assert seen(tmp_path / "precious") == {"x": b"precious"}
    assert seen(tmp_path / "out") == {"d": {"x": b"evil"}, "l": b"evil"}


def test_an_interrupted_checkout_goes_on(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "in", {f"{i}": b"one %d" % i for i in range(300)})
    one = add_files(site, "raw", tmp_path / "in").version
    for i in range(300):
        write(tmp_path / "in" / f"{i}", b"two %d" % i)
    two = add_files(site, "raw", tmp_path / "in").version
    (tmp_path / "in" / "299").write_bytes(b"three")
    three = add_files(site, "raw", tmp_path / "in").version
    out = tmp_path / "out"
    checkout(site, one, out)
    left = [100]
    save = type(site.objects).save

    def interrupted(objects: object, digest: object, path: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        save(objects, digest, path)  # type: ignore[arg-type]

    monkeypatch.setattr(type(site.objects), "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkout(site, two, out)
    monkeypatch.undo()
    half = sum(path.read_bytes().startswith(b"two") for path in out.iterdir())
    assert 0 < half < 300
    assert status(site, out).reference == "raw@2"
    (out / ".clew-0123456789abcdef.tmp").write_bytes(b"left by a kill")
    checkout(site, three, out)
    assert seen(out) == seen(tmp_path / "in")


def test_a_version_can_be_taken_out_without_its_stat_cache(site: Site, tmp_path: Path) -> None:
    make(tmp_path / "in", SAMPLE)
    one = add_files(site, "raw", tmp_path / "in").version
    checkout(site, one, tmp_path / "out")
    shutil.rmtree(site.folder)
    assert checkout(site, one, tmp_path / "out").unchanged == 9


def test_work_during_a_checkout_is_seen_afterwards(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "in", {"a": b"one", "b": b"two"})
    one = add_files(site, "raw", tmp_path / "in").version
    now_ns = checkout_module.filesystem_now_ns

    def and_work(folder: Path) -> int:
        write(tmp_path / "out" / "a", b"ONE")
        return now_ns(folder)

    monkeypatch.setattr(checkout_module, "filesystem_now_ns", and_work)
    checkout(site, one, tmp_path / "out")
    assert [change.path for change in status(site, tmp_path / "out").diff.changed] == ["a"]


def test_a_stat_cache_of_another_ledger_is_not_believed(site: Site, stores: Stores, tmp_path: Path) -> None:
    make(tmp_path / "in", SAMPLE)
    add_files(site, "raw", tmp_path / "in")
    make(tmp_path / "other", {"x": b"x"})
    fresh = dataclasses.replace(stores, ledger=MemoryLedger(), objects=MemoryObjects())
    other = Site.of(fresh)
    add_files(other, "raw", tmp_path / "other")
    added = add_files(other, "raw", tmp_path / "in").version
    assert added.reference == "raw@2"
    checkout(other, added, tmp_path / "out")
    assert seen(tmp_path / "out") == SAMPLE


def test_adding_again_mends_a_store_that_lost_its_packs(
    site: Site, stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        import_module("clew.data.stat_cache"), "_MARGIN_NS", -(10**12)
    )  # what was written just now looks old enough
    make(tmp_path / "in", SAMPLE)
    one = add_files(site, "raw", tmp_path / "in").version
    for pack in (stores.folder / "objects" / "packs").iterdir():
        pack.unlink()
    assert add_files(site, "raw", tmp_path / "in").version == one
    checkout(site, one, tmp_path / "out")
    assert seen(tmp_path / "out") == SAMPLE


def test_a_table_is_not_taken_out_as_files(site: Site, tmp_path: Path) -> None:
    make(tmp_path / "in", {"a": b"a"})
    one = msgspec.structs.replace(add_files(site, "raw", tmp_path / "in").version, kind=DatasetKind.TABLE)
    with pytest.raises(Invalid, match="table"):
        checkout(site, one, tmp_path / "out")


leaf = st.one_of(st.binary(max_size=3), st.sampled_from(["a", "b/c", "/etc"]))
trees = st.recursive(
    st.dictionaries(st.sampled_from("abcd"), leaf, max_size=4),
    lambda below: st.dictionaries(st.sampled_from("abcd"), st.one_of(leaf, below), max_size=4),
    max_leaves=8,
)


def flat(tree: Tree, prefix: str = "") -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {}
    for name, content in tree.items():
        if isinstance(content, dict):
            found |= flat(content, f"{prefix}{name}/") or {f"{prefix}{name}/": b""}
        else:
            found[prefix + name] = content
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(trees, min_size=2, max_size=4), data=st.data())
def test_any_history_comes_out_and_is_told_right(
    history: list[Tree], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("history")
    clock = SystemClock()
    stores = Stores(
        ledger=MemoryLedger(),
        objects=MemoryObjects(),
        clock=clock,
        ids=Ids(clock),
        project="test",
        actor="someone",
        folder=folder,
    )
    site = Site.of(stores)
    versions = []
    for tree in history:
        if (folder / "in").exists():
            shutil.rmtree(folder / "in")
        make(folder / "in", tree)
        try:
            versions.append((add_files(site, "raw", folder / "in").version, tree))
        except Invalid:
            assert tree == {}
    for version, tree in data.draw(st.permutations(versions)):
        checkout(site, version, folder / "out")
        assert seen(folder / "out") == tree
    for one, before in versions:
        for two, after in versions:
            diff = diff_files(reader(site.objects), one.digest, two.digest)
            old, new = flat(before), flat(after)
            gone = {seen.path for seen in diff.removed} | {rename.before for rename in diff.renamed}
            come = {seen.path for seen in diff.added} | {rename.after for rename in diff.renamed}
            assert {path for path in gone if not path.endswith("/")} == {
                path for path in old.keys() - new.keys() if not path.endswith("/")
            }
            assert {path for path in come if not path.endswith("/")} == {
                path for path in new.keys() - old.keys() if not path.endswith("/")
            }
            assert {change.path for change in diff.changed} == {
                path for path in old.keys() & new.keys() if old[path] != new[path]
            }
            assert diff.empty == (one.digest == two.digest) or not (gone or come or diff.changed)
