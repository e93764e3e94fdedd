"""Writes files that a run kept into a folder. Not how a run keeps them (`artifact`).

Paths come from a ledger, which may hold any: none leads out of the folder, and nothing that is there is replaced unless
that was asked for. What is refused is refused before the first file is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from clew.core.contracts.objects import Objects
from clew.core.errors import Conflict, Exists, NotFound
from clew.core.hashing import hash_file
from clew.core.types.run import Artifact
from clew.tracking.artifact import check_path

__all__ = ["artifacts_at", "download"]


def artifacts_at(artifacts: Sequence[Artifact], path: str) -> list[Artifact]:
    """The file of a path, or all below it where it is a folder.

    Raises:
        NotFound: there is neither; `near` holds paths that look alike.
    """
    wanted = PurePosixPath(path)
    found = [each for each in artifacts if wanted in (each_path := PurePosixPath(each.path), *each_path.parents)]
    if not found:
        known = {str(part) for each in artifacts for part in (each.path, *PurePosixPath(each.path).parents)} - {"."}
        near = get_close_matches(path, sorted(known), n=3)
        raise NotFound("artifact", path, near=near, hint="leave the path out to see all")
    return found


def download(
    objects: Objects, artifacts: Sequence[Artifact], folder: Path, *, force: bool = False, tell: Callable[[int], None]
) -> None:
    """Write files below a folder, which is made when it is not there, at their paths.

    A file that is there already with the same bytes is left as it is.

    Args:
        objects: where the bytes are.
        artifacts: the files.
        folder: where they go.
        force: replace files that are there.
        tell: hears of each file how many bytes it has, once it is there.

    Raises:
        Invalid: a path leads out of the folder.
        Exists: another file is there; nothing was written.
        Conflict: something is in the way that is not replaced: a folder of that name, a file where a folder is needed.
    """
    targets = {folder / check_path(each.path): each for each in artifacts}
    there = {target for target, each in targets.items() if _is_same(target, each)}
    for target in targets:
        _check_free(target, folder, targets)
        if os.path.lexists(target) and target not in there and not force:
            raise Exists("file", str(target), hint="choose another folder, or use --force to replace what is there")
    for target, each in targets.items():
        if target not in there:
            target.parent.mkdir(parents=True, exist_ok=True)
            objects.save(each.digest, target)
        tell(each.size_bytes)


def _is_same(target: Path, artifact: Artifact) -> bool:
    """Whether just these bytes are there, in a file that is no link."""
    if target.is_symlink() or not target.is_file():
        return False
    return target.stat().st_size == artifact.size_bytes and hash_file(target) == artifact.digest


def _check_free(target: Path, folder: Path, targets: dict[Path, Artifact]) -> None:
    if target.is_dir() and not target.is_symlink():
        raise Conflict(f"{target} is a folder, and a file is to be there", hint="choose another folder")
    for parent in (folder / part for part in target.relative_to(folder).parents):
        if parent in targets or (os.path.lexists(parent) and not parent.is_dir()):
            raise Conflict(f"{parent} is a file, and {target} is to be below it", hint="choose another folder")
