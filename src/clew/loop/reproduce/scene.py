"""Where a run took place: the root of its source, the folder that it was started in, and what was started.

Runs record a command, a folder and a list of files relative to a root that is not named: it follows from them.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import PurePosixPath

from clew.core.errors import Invalid
from clew.core.types.run import Run, RunKind
from clew.tracking.capture import Command, Source

__all__ = ["Scene", "scene_of"]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One run's place, with paths relative to `root` but for `root` itself.

    `words` are the script and its arguments, `pipeline` is `file.py:function`: one of them is empty. `wrapped` says
    that the script ran under `clew run`, or might have.
    """

    root: PurePosixPath
    folder: str
    words: tuple[str, ...] = ()
    pipeline: str = ""
    wrapped: bool = False


def scene_of(run: Run, source: Source, command: Command) -> Scene:
    """Where and what a run was.

    Raises:
        Invalid: it was neither a script nor a pipeline of which the file is known.
    """
    folder = PurePosixPath(command.folder)
    if source.entry and command.words:
        root = _root_of_script(source.entry, folder / command.words[0]) or folder
        words = (_from(folder, root, source.entry), *command.words[1:])
        return Scene(root=root, folder=_below(folder, root), words=words, wrapped=run.kind is RunKind.SCRIPT)
    if run.kind is RunKind.SCRIPT and command.words[:1] == ["-m"]:
        root = _root_of_files(source, folder, folder)
        return Scene(root=root, folder=_below(folder, root), words=tuple(command.words), wrapped=True)
    file, colon, function = run.entry.rpartition(":")
    if colon and file.endswith(".py"):
        path = PurePosixPath(posixpath.normpath(folder / file))
        root = _root_of_files(source, folder, path)
        inside = _below(path, root)
        if any(each.path == inside for each in source.files):
            return Scene(root=root, folder=_below(folder, root), pipeline=f"{inside}:{function}")
        raise Invalid(
            f"run {run.name} cannot be reproduced: {file} is not in the snapshot of its source",
            hint="run pipelines from files of the project's folder",
        )
    raise Invalid(
        f"run {run.name} cannot be reproduced: it was started neither from a script nor as a pipeline of a file",
        hint="use clew run SCRIPT, or call pipeline.run(…) in a file",
    )


def _root_of_script(entry: str, script: PurePosixPath) -> PurePosixPath | None:
    """The folder below which a script has the path `entry`."""
    path = PurePosixPath(posixpath.normpath(script))
    parts = PurePosixPath(entry).parts
    if path.parts[-len(parts) :] != parts:
        return None
    return path.parents[len(parts) - 1]


def _root_of_files(source: Source, folder: PurePosixPath, path: PurePosixPath) -> PurePosixPath:
    """The folder that a snapshot was taken of when no script was known: the one that the process was started in, or
    with git the farthest one above it in which a path of the snapshot fits."""
    if source.git is not None:
        for root in reversed([folder, *folder.parents]):
            inside = _below(path, root)
            if inside != "." and any(f"{each.path}/".startswith(f"{inside}/") for each in source.files):
                return root
    return folder


def _below(path: PurePosixPath, root: PurePosixPath) -> str:
    """A path relative to the root; `.` where it is the root, or outside."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else "."


def _from(folder: PurePosixPath, root: PurePosixPath, entry: str) -> str:
    """A file of the root as seen from the folder."""
    return posixpath.relpath(entry, _below(folder, root))
