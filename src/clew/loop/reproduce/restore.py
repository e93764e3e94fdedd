"""Lays out what a run had on disk in a clean folder: its source, and files that its steps read and nobody versioned."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath

from clew.core.contracts.objects import Objects
from clew.core.hashing import hash_file
from clew.loop.reproduce.recorded import Recorded
from clew.loop.reproduce.scene import Scene
from clew.pipelines.reads import ReadKind
from clew.tracking.capture import Source, SourceFile, restore_source

__all__ = ["lay_out"]

_ON_DISK = (ReadKind.FILE, ReadKind.FILES, ReadKind.FOLDER, ReadKind.PRESENCE)
_REST = "*"
_TIMEOUT_S = 120.0


def lay_out(
    objects: Objects,
    source: Source,
    scene: Scene,
    recorded: Recorded,
    folder: Path,
    files: Sequence[SourceFile] | None = None,
) -> list[str]:
    """Put source and read files into an empty folder.

    A file that a step read and that is in no dataset is taken from where it lay, if it is still what it was; or all of
    them are known, as `files`.

    Returns:
        What could not be put there, in words.

    Raises:
        Exists: the folder holds something.
        NotFound, Corrupt: a file of the snapshot is lost or damaged.
    """
    restore_source(objects, source, folder)
    if files is not None:
        (folder / scene.folder).mkdir(parents=True, exist_ok=True)
        for file in files:
            _write(objects, file, folder)
        return []
    missing = [f"{left.path} is not in the snapshot: {left.reason}" for left in source.left_out if left.path != _REST]
    if any(left.path == _REST for left in source.left_out) and not _add_commit(source, Path(scene.root), folder):
        commit = source.git.commit[:12] if source.git is not None else "no commit"
        missing.append(f"the snapshot does not hold unchanged files, and {commit} is not in reach")
    (folder / scene.folder).mkdir(parents=True, exist_ok=True)
    was, now = Path(scene.root) / scene.folder, folder / scene.folder
    for kind, name, digest in _reads(recorded):
        if not _inside(name):
            if kind is ReadKind.FILE and _digest_of(Path(name)) not in (digest, None):
                missing.append(f"{name} has changed since")
        elif kind is ReadKind.FILE:
            missing += _bring_file(was / name, now / name, digest)
        else:
            pattern = f"{name}/*" if kind is ReadKind.FOLDER else name
            _bring(was, now, glob.glob(pattern, root_dir=was, recursive=True))  # noqa: PTH207 - as steps glob
    return missing


def _write(objects: Objects, file: SourceFile, folder: Path) -> None:
    path = folder / file.path
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        objects.save(file.digest, path)
        path.chmod(path.stat().st_mode | (0o111 if file.executable else 0))


def _reads(recorded: Recorded) -> Iterator[tuple[ReadKind, str, str]]:
    """Kind, name and digest of everything on disk that a step read, or looked for."""
    seen: dict[tuple[ReadKind, str], str] = {}
    for ingredients in recorded.ingredients.values():
        for ingredient, digest in ingredients.items():
            kind, _, name = ingredient.partition(" ")
            if kind in _ON_DISK and name:
                seen[ReadKind(kind), name] = digest
    return ((kind, name, digest) for (kind, name), digest in seen.items())


def _inside(name: str) -> bool:
    """Whether a path stays below the folder that it is relative to."""
    pure = PurePosixPath(name)
    return not pure.is_absolute() and ".." not in pure.parts


def _bring_file(was: Path, now: Path, digest: str) -> list[str]:
    if now.exists() or digest == "missing":
        return []
    if was.is_dir():
        shutil.copytree(was, now, ignore=shutil.ignore_patterns(".clew", ".git"), dirs_exist_ok=True)
        return []
    if not was.is_file():
        return [f"{was} is gone, and is in no dataset"]
    if _digest_of(was) != digest:
        return [f"{was} has changed since, and is in no dataset"]
    now.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(was, now)
    return []


def _bring(was: Path, now: Path, names: Iterable[str]) -> None:
    """Copy what a pattern or listing gave; whether it still gives the same, the step's key will tell."""
    for name in names:
        if (was / name).is_dir():
            (now / name).mkdir(parents=True, exist_ok=True)
        elif (was / name).is_file() and not (now / name).exists():
            (now / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(was / name, now / name)


def _digest_of(path: Path) -> str | None:
    try:
        return hash_file(path) if path.stat().st_size else None
    except OSError:
        return None


def _add_commit(source: Source, repository: Path, folder: Path) -> bool:
    """Add the unchanged files of a large tree from its commit."""
    if source.git is None or not source.git.commit or not (repository / ".git").exists():
        return False
    command = ["git", "-C", str(repository), "archive", "--format=tar", source.git.commit]
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and a commit that was recorded, no shell
            command, capture_output=True, timeout=_TIMEOUT_S, check=True, env={**os.environ, "LC_ALL": "C"}
        )
    except (OSError, subprocess.SubprocessError):
        return False
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        fresh = [member for member in archive.getmembers() if not (folder / member.name).exists()]
        archive.extractall(folder, members=fresh, filter="data")
    return True
