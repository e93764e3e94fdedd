"""A snapshot holds the code as it lies there, and nothing that it should not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from clew.core.errors import Corrupt, Exists
from clew.core.hashing import hash_bytes
from clew.store.objects.memory import MemoryObjects
from clew.tracking.capture.git import find_repository, read_git, repository_name
from clew.tracking.capture.seen import Seen
from clew.tracking.capture.source import LeftOut, Source, SourceFile, restore_source, root_of, take_source


def git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, "-C", root, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def objects() -> MemoryObjects:
    return MemoryObjects()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A working tree with a clean, a changed, an untracked and an ignored file."""
    root = tmp_path / "repo"
    (root / "pkg").mkdir(parents=True)
    git(root, "init", "-q")
    (root / "pkg/clean.py").write_text("a = 1\n")
    (root / "train.py").write_text("old\n")
    (root / ".gitignore").write_text("*.log\ndata/\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    git(root, "remote", "add", "origin", "https://me:" + "hunter22" + "@example.org/a.git")
    (root / "train.py").write_text("new\n")
    (root / "fresh ü.py").write_text("fresh\n")
    (root / "noise.log").write_text("noise\n")
    (root / "data").mkdir()
    (root / "data/big.csv").write_text("1\n")
    return root


def take(objects: MemoryObjects, root: Path, entry: Path | None = None, seen: Seen | None = None) -> Source:
    return take_source(objects, root_of(entry, root), entry, seen or Seen(None))


def test_a_dirty_tree_is_kept_as_it_is(objects: MemoryObjects, tree: Path, tmp_path: Path) -> None:
    source = take(objects, tree, tree / "pkg/clean.py")
    assert source.entry == "pkg/clean.py"
    assert [file.path for file in source.files] == [".gitignore", "fresh ü.py", "pkg/clean.py", "train.py"]
    assert source.git is not None
    assert (source.git.changed, source.git.untracked) == (["train.py"], ["fresh ü.py"])
    assert (source.git.branch, source.git.remote) == ("main", "https://example.org/a.git")
    assert source.commit == git(tree, "rev-parse", "HEAD") + "+"
    restore_source(objects, source, tmp_path / "again")
    assert (tmp_path / "again/train.py").read_text() == "new\n"
    assert (tmp_path / "again/fresh ü.py").read_text() == "fresh\n"


@pytest.mark.parametrize(
    "remote",
    [
        "https://example.org/ann/a.git",
        "https://Example.org/ann/a/",
        "https://token@example.org:8443/ann/a",
        "ssh://git@example.org:22/ann/a.git",
        "git@example.org:ann/a.git",
        "example.org:/ann/a",
    ],
)
def test_a_repository_is_the_same_however_it_is_reached(remote: str) -> None:
    assert repository_name(remote) == "example.org/ann/a"


def test_folders_are_repositories_too() -> None:
    assert repository_name("/srv/git/a.git") == repository_name("file:///srv/git/a") != repository_name("../a.git")


def test_a_clean_tree_has_a_plain_commit(objects: MemoryObjects, tree: Path) -> None:
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "second")
    assert take(objects, tree).commit == git(tree, "rev-parse", "HEAD")


def test_a_tree_without_a_commit_is_kept_too(objects: MemoryObjects, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("a")
    source = take(objects, tmp_path)
    assert [file.path for file in source.files] == ["a.py"]
    assert source.commit == "+"


def test_deleted_and_renamed_files_are_changes(objects: MemoryObjects, tree: Path) -> None:
    (tree / "pkg/clean.py").unlink()
    git(tree, "mv", "train.py", "moved.py")
    source = take(objects, tree)
    assert source.git is not None
    assert source.git.changed == ["moved.py", "pkg/clean.py", "train.py"]
    assert "pkg/clean.py" not in [file.path for file in source.files]


def test_secrets_large_files_and_links_are_left_out_and_named(objects: MemoryObjects, tree: Path) -> None:
    (tree / ".env").write_text("A=1")
    (tree / "key.py").write_text("k = 'AKIA" + "IOSFODNN7EXAMPLE'")
    (tree / "big.bin").write_bytes(bytes((1 << 20) + 1))
    (tree / "link.py").symlink_to("/etc/passwd")
    os.mkfifo(tree / "pipe.py")
    source = take(objects, tree)
    left = {item.path: item.reason for item in source.left_out}
    assert "secret: its name" in left[".env"]
    assert "secret: line 1 seems to hold an AWS key" in left["key.py"]
    assert "larger than 1 MiB" in left["big.bin"]
    assert "link" in left["link.py"]
    assert not set(left) & {file.path for file in source.files}
    stored = b"".join(objects.get(digest) for digest in objects.list())
    assert b"AKIA" not in stored
    assert b"root:" not in stored


def test_outside_of_git_source_files_of_the_scripts_folder_are_kept(objects: MemoryObjects, tmp_path: Path) -> None:
    inside = ["train.py", "pkg/mod.py", "notes.md", "model.pkl", "pkg/__pycache__/x.py", "env/lib/a.py", "skip/b.py"]
    for path in inside:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "env/pyvenv.cfg").write_text("")
    (tmp_path / ".clewignore").write_text("skip/\n")
    source = take(objects, tmp_path, tmp_path / "train.py")
    assert source.git is None
    assert [file.path for file in source.files] == [".clewignore", "notes.md", "pkg/mod.py", "train.py"]


def test_in_a_home_folder_only_the_script_is_kept(
    objects: MemoryObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "train.py").write_text("a")
    (tmp_path / "diary.txt").write_text("b")
    assert [file.path for file in take(objects, tmp_path, tmp_path / "train.py").files] == ["train.py"]
    assert take(objects, tmp_path).files == []


def test_limits_hold(objects: MemoryObjects, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.tracking.capture.source._TOTAL_BYTES", 20)
    source = take(objects, tree)
    assert sum(file.size_bytes for file in source.files) <= 20
    assert "without it" in source.left_out[0].reason
    monkeypatch.setattr("clew.tracking.capture.source._MOST_FILES", 3)
    monkeypatch.setattr("clew.tracking.capture.source._TOTAL_BYTES", 1 << 20)
    source = take(objects, tree)
    assert [file.path for file in source.files] == ["fresh ü.py", "train.py"]
    assert source.left_out[0].path == "*"


def test_unchanged_files_are_not_read_again(objects: MemoryObjects, tree: Path, tmp_path: Path) -> None:
    for path in tree.rglob("*"):
        os.utime(path, (1, 1))
    # A cache learns of files that had settled; ctime cannot be set, so the clock of the test is moved.
    first = Seen(tmp_path / "cache/seen")
    first._now_ns += 10_000_000_000
    before = take(objects, tree, seen=first)
    first.save()
    path = tree / "pkg/clean.py"
    path.chmod(0)
    second = Seen(tmp_path / "cache/seen")
    assert second.find(str(path), path.lstat()) is None
    path.chmod(0o644)
    third = Seen(tmp_path / "cache/seen")
    train = tree / "train.py"
    known = third.find(str(train), train.lstat())
    assert known == (hash_bytes(b"new\n"), "")
    assert take(objects, tree, seen=third).files == before.files


@pytest.mark.parametrize("data", [b"", b"junk", b"\x81\xa1a\x01"])
def test_a_damaged_cache_is_an_empty_one(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "seen").write_bytes(data)
    assert Seen(tmp_path / "seen").find("x", tmp_path.lstat()) is None


def test_a_file_just_written_is_not_trusted(tmp_path: Path) -> None:
    seen = Seen(tmp_path / "seen")
    (tmp_path / "a").write_text("a")
    seen.learn("a", (tmp_path / "a").lstat(), hash_bytes(b"a"), "")
    assert seen.find("a", (tmp_path / "a").lstat()) is None


def test_executables_stay_executable(objects: MemoryObjects, tree: Path, tmp_path: Path) -> None:
    (tree / "go.sh").write_text("#!/bin/sh\n")
    (tree / "go.sh").chmod(0o755)
    restore_source(objects, take(objects, tree), tmp_path / "again")
    assert os.access(tmp_path / "again/go.sh", os.X_OK)
    assert not os.access(tmp_path / "again/train.py", os.X_OK)


@pytest.mark.parametrize("path", ["../out.py", "/abs.py", "a/../../b.py", ""])
def test_a_hostile_snapshot_writes_nothing(objects: MemoryObjects, tmp_path: Path, path: str) -> None:
    files = [SourceFile("ok.py", objects.put(b"ok"), 2), SourceFile(path, objects.put(b"x"), 1)]
    source = Source(entry="", git=None, files=files, left_out=[LeftOut("a", "b")])
    with pytest.raises(Corrupt):
        restore_source(objects, source, tmp_path / "again")
    assert list((tmp_path / "again").iterdir()) == []
    assert msgspec.json.decode(msgspec.json.encode(source), type=Source) == source


def test_a_folder_in_use_is_not_written_to(objects: MemoryObjects, tree: Path, tmp_path: Path) -> None:
    with pytest.raises(Exists):
        restore_source(objects, take(objects, tree), tree)


def test_without_git_the_tree_is_no_repository(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_repository(tree / "pkg") == tree
    monkeypatch.setenv("PATH", "")
    assert read_git(tree) is None


def test_a_repository_within_is_left_out_and_named(objects: MemoryObjects, tree: Path) -> None:
    inner = tree / "vendor"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "a.py").write_text("a = 1\n")
    git(inner, "add", ".")
    git(inner, "commit", "-qm", "first")
    for _ in range(2):  # untracked, and as a submodule
        source = take(objects, tree)
        assert [left.path for left in source.left_out if "repository of its own" in left.reason] == ["vendor"]
        git(tree, "add", "vendor")


def test_a_git_that_lists_nothing_in_time_is_said(
    objects: MemoryObjects, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.tracking.capture.source.list_files", lambda _: None)
    source = take(objects, tree)
    assert {file.path for file in source.files} == {"train.py", "fresh ü.py"}
    assert [(left.path, "did not list" in left.reason) for left in source.left_out] == [("*", True)]
