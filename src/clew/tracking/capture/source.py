"""A snapshot of the code that a run executes: every source file as it lies there, committed or not.

In a git working tree: tracked files and untracked ones that are not ignored; elsewhere: the files of the script's
folder that look like source. Secrets, large files and links are left out and named. Not what a step of a pipeline
depends on: that is its closure.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.errors import Corrupt, Exists
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.tracking.capture.git import GitState, find_repository, is_ignored, list_files, read_git
from clew.tracking.capture.ignore import ALWAYS, IGNORE_FILES, Rule, ignored, read_rules
from clew.tracking.capture.secrets import find_secret
from clew.tracking.capture.seen import Seen

__all__ = [
    "LeftOut",
    "Source",
    "SourceFile",
    "restore_source",
    "root_of",
    "source_without_files",
    "take_source",
]

_FILE_BYTES = 1 << 20
_TOTAL_BYTES = 32 << 20
_MOST_FILES = 5_000
_SUFFIXES = "bash c cc cfg cpp cu cuh h hpp ini ipynb jl json lock md pxd py pyi pyx r rs rst sh sql toml txt yaml yml"
_SOURCE_NAMES = frozenset({"makefile", "dockerfile", "requirements.txt", *IGNORE_FILES})


class SourceFile(msgspec.Struct, frozen=True):
    """One file: where, which bytes, and whether it may be executed."""

    path: str
    digest: Digest
    size_bytes: int
    executable: bool = False


class LeftOut(msgspec.Struct, frozen=True):
    """A file that is not in the snapshot, and why."""

    path: str
    reason: str


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot. Paths are relative to its root; `entry` is the script among them, if there is one."""

    entry: str
    git: GitState | None
    files: list[SourceFile]
    left_out: list[LeftOut]

    @property
    def commit(self) -> str:
        """The git commit, with `+` when the tree differs from it."""
        return "" if self.git is None else self.git.commit + ("+" if self.git.dirty else "")


def root_of(entry: Path | None, folder: Path) -> Path:
    """The folder to take a snapshot of.

    Args:
        entry: the script that runs, if there is one.
        folder: where the process was started.
    """
    start = entry.parent if entry is not None else folder
    repository = find_repository(start)
    return start if repository is None or is_ignored(repository, start) else repository


def take_source(objects: Objects, root: Path, entry: Path | None, seen: Seen) -> Source:
    """Store the source files below a folder.

    Args:
        objects: where their bytes go.
        root: the folder, from `root_of`.
        entry: the script that runs.
        seen: what is known of unchanged files from earlier snapshots; it learns.
    """
    git = _git(root)
    paths, left_out = _candidates(root, entry, git)
    files, rest, data = _look(root, paths, seen)
    wanted = objects.missing(file.digest for file in files)
    with objects.batch() as batch:
        for file in files:
            if file.digest in wanted:
                found = data[file.path] if file.path in data else _read(root / file.path)
                if found is None or hash_bytes(found) != file.digest:
                    rest.append(LeftOut(file.path, "it changed while it was read"))
                else:
                    batch.put(found)
    out = {left.path for left in rest}
    return Source(
        entry=_inside(root, entry),
        git=git,
        files=[file for file in files if file.path not in out],
        left_out=sorted([*left_out, *rest], key=lambda left: left.path),
    )


def source_without_files(root: Path, entry: Path | None) -> Source:
    """What is known of the source without keeping any of it: the entry, and what git says."""
    return Source(entry=_inside(root, entry), git=_git(root), files=[], left_out=[])


def _git(root: Path) -> GitState | None:
    return read_git(root) if (root / ".git").exists() else None


def _inside(root: Path, entry: Path | None) -> str:
    return entry.relative_to(root).as_posix() if entry is not None and entry.is_relative_to(root) else ""


def restore_source(objects: Objects, source: Source, folder: Path) -> None:
    """Write the files of a snapshot into an empty folder.

    Raises:
        Exists: the folder holds something.
        Corrupt: the snapshot names a path outside of its root.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Exists("folder", str(folder), hint="name one that is empty or new")
    for file in source.files:
        pure = PurePosixPath(file.path)
        if pure.is_absolute() or ".." in pure.parts or not file.path:
            raise Corrupt(f"a source snapshot names {file.path!r}, which lies outside of it")
    for file in source.files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        objects.save(file.digest, path)
        if file.executable:
            path.chmod(path.stat().st_mode | 0o111)


def _candidates(root: Path, entry: Path | None, git: GitState | None) -> tuple[list[str], list[LeftOut]]:
    if git is None:
        return _walk(root, entry)
    listed = list_files(root)
    paths = [path for path in listed or [] if not ALWAYS & set(path.split("/"))]
    if listed is not None and len(paths) <= _MOST_FILES:
        return paths, []
    ours = sorted({*git.changed, *git.untracked})[:_MOST_FILES]
    many = "git did not list its files" if listed is None else f"the tree has {len(paths):,} files"
    reason = f"{many}: unchanged ones are left to commit {git.commit[:12]}"
    return ours, [LeftOut("*", reason)]


def _walk(root: Path, entry: Path | None) -> tuple[list[str], list[LeftOut]]:
    if root in (Path.home(), Path(root.anchor)):
        return [entry.relative_to(root).as_posix()] if entry is not None else [], []
    paths: list[str] = []
    for path in _files_below(root, "", []):
        if len(paths) == _MOST_FILES:
            return paths, [LeftOut("*", f"the folder has more than {_MOST_FILES:,} source files")]
        paths.append(path)
    return paths, []


def _files_below(root: Path, folder: str, rules: list[Rule]) -> Iterator[str]:
    rules = rules + read_rules(root, folder)
    suffixes = {f".{suffix}" for suffix in _SUFFIXES.split()}
    try:
        entries = sorted(os.scandir(root / folder), key=lambda found: found.name)
    except OSError:
        return
    for found in entries:
        path, is_folder = folder + found.name, found.is_dir(follow_symlinks=False)
        if ignored(path, rules, is_folder=is_folder):
            continue
        if not is_folder:
            if PurePosixPath(path).suffix.lower() in suffixes or found.name.lower() in _SOURCE_NAMES:
                yield path
        elif not (root / path / "pyvenv.cfg").exists():
            yield from _files_below(root, path + "/", rules)


def _look(root: Path, paths: list[str], seen: Seen) -> tuple[list[SourceFile], list[LeftOut], dict[str, bytes]]:
    """Name each file by its bytes, reading only those that changed since they were last seen."""
    files, left_out, data, total = [], [], dict[str, bytes](), 0
    for path in paths:
        try:
            info = (root / path).lstat()
        except OSError:
            continue
        reason = _unfit(info, total)
        if reason:
            left_out.append(LeftOut(path.rstrip("/"), reason))
            continue
        known = seen.find(str(root / path), info)
        if known is None:
            found = _read(root / path)
            if found is None:
                left_out.append(LeftOut(path, "it cannot be read"))
                continue
            data[path] = found
            known = hash_bytes(found), find_secret(path, found)
            seen.learn(str(root / path), info, *known)
        if known[1]:
            left_out.append(LeftOut(path, f"secret: {known[1]}"))
            continue
        total += info.st_size
        files.append(SourceFile(path, known[0], info.st_size, bool(info.st_mode & 0o100)))
    return files, left_out, data


def _unfit(info: os.stat_result, total: int) -> str:
    if stat.S_ISDIR(info.st_mode):
        return "it is a folder with a repository of its own, such as a submodule"
    if not stat.S_ISREG(info.st_mode):
        return "it is a link, or no file"
    if info.st_size > _FILE_BYTES:
        return f"it is larger than {_FILE_BYTES >> 20} MiB"
    if total + info.st_size > _TOTAL_BYTES:
        return f"the snapshot is larger than {_TOTAL_BYTES >> 20} MiB without it"
    return ""


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
