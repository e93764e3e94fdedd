"""Runs a recorded command again, as a process of its own in the clean folder, and finds the run that it made."""

from __future__ import annotations

import ast
import os
import posixpath
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Failed
from clew.core.types.run import Run, RunStatus, Scalar
from clew.loop.reproduce.scene import Scene
from clew.tracking.start import ROOM_VARIABLE

__all__ = ["ELSEWHERE", "command_of", "numpy_features", "repeat"]

ELSEWHERE = (
    "files that are neither source nor data of the project are not in the clean folder: clew data add; "
    "look around in it with --keep"
)
"""What to do about a command that works where it was made only."""

_STDERR = 2


def repeat(
    room: Stores, run: Run, scene: Scene, folder: Path, *, variables: Mapping[str, str], python: Path | None = None
) -> tuple[Run, str]:
    """Run the command of a run again; the run of the room that corresponds to it, and why it failed, or nothing.

    What the command prints goes to stderr, and its traceback too.

    Args:
        room: the project in which it runs.
        run: the run that is repeated.
        scene: what it was.
        folder: where its files lie now.
        variables: of its environment.
        python: the one to start; that of this process when None.

    Raises:
        Failed: the command made no run.
    """
    code = subprocess.run(  # noqa: S603 - the user's own command, as it was recorded
        command_of(run, scene, python),
        cwd=folder / scene.folder,
        env={**variables, ROOM_VARIABLE: "1"},
        stdin=subprocess.DEVNULL,
        stdout=_STDERR,
        check=False,
    ).returncode
    with room.ledger.read() as tx:
        made = tx.runs.list(room.project, limit=10_000).items
    found = max(made, key=lambda each: _likeness(run, each), default=None)
    if found is None:
        raise Failed(f"run {run.name} could not be repeated: exit code {code}, and no run", hint=ELSEWHERE)
    if found.status is RunStatus.FINISHED and code == 0:
        return found, ""
    return found, (found.reason.strip().splitlines() or [f"exit code {code}"])[-1]


def command_of(run: Run, scene: Scene, python: Path | None = None) -> list[str]:
    """The command line of a scene."""
    program = str(python or sys.executable)
    ours = [program, "-m", "clew", "run"]
    if scene.pipeline:
        file, _, function = scene.pipeline.rpartition(":")
        name = posixpath.relpath(file, scene.folder)
        params = [f"{key}={msgspec.json.encode(value).decode()}" for key, value in _nested(run.params).items()]
        return [*ours, f"{name}:{function}", *params]
    if scene.wrapped:
        return [*ours, *scene.words]
    return [program, *scene.words]


def numpy_features(python: Path) -> list[str]:
    """The optional instructions that NumPy uses in an environment, unless it is told otherwise."""
    words = "import numpy; from clew.tracking.capture.kernels import take_kernels; print(*take_kernels().numpy)"
    around = {name: value for name, value in os.environ.items() if name != "NPY_DISABLE_CPU_FEATURES"}
    done = subprocess.run(  # noqa: S603 - a Python, and fixed words
        [str(python), "-c", words], capture_output=True, text=True, check=False, env=around, stdin=subprocess.DEVNULL
    )
    return done.stdout.split()


def _nested(params: Mapping[str, Scalar]) -> dict[str, object]:
    """Parameters as they were before runs kept them flat: dotted names are mappings, and texts may have been lists."""
    found: dict[str, object] = {}
    for name, value in params.items():
        *above, last = name.split(".")
        place = found
        for part in above:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                break
            place = inner
        place[last] = _list_or(value)
    return found


def _list_or(value: Scalar) -> object:
    if not isinstance(value, str) or value[:1] not in ("[", "("):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value


def _likeness(run: Run, other: Run) -> tuple[bool, bool, bool, int]:
    """Of several runs that a command made, the one that has most in common with the first one."""
    shared = sum(other.params.get(name, object()) == value for name, value in run.params.items())
    return (_entry(other) == _entry(run), other.name == run.name, other.params == run.params, shared)


def _entry(run: Run) -> str:
    """The file and function of an entry, wherever they lie."""
    return posixpath.basename(run.entry)
