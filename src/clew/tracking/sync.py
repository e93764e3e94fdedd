"""Brings runs home that wait on this machine, or in a folder that came from another one. Idempotent and resumable.

Not how one journal is drained (`adopt`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from clew.core.errors import NotFound, Unavailable
from clew.tracking.adopt import adopt_run, journals_folder
from clew.tracking.recorder import Recorder

__all__ = ["Synced", "sync", "waiting_runs"]

_FILES = ("*.journal", "*.outbox", "*.end")


class Synced(msgspec.Struct, frozen=True, kw_only=True):
    """What was brought home of one run; `state` is `stored`, `running` or `left`, and `problem` says why it is left."""

    run: str
    state: str
    points: int
    messages: int
    problem: str = ""


def waiting_runs(folder: Path) -> list[Path]:
    """The folders of runs below a folder: of a project, of its `.clew`, of its journals, or of one run."""
    for place in (journals_folder(folder / ".clew"), journals_folder(folder), folder):
        if place.is_dir():
            if _waits(place):
                return [place]
            return sorted(run for run in place.iterdir() if run.is_dir() and _waits(run))
    raise NotFound("folder", str(folder))


def sync(recorder: Recorder, folders: Iterable[Path], *, done: Callable[[Synced], object]) -> list[Synced]:
    """Bring home every run that waits in some folders.

    Args:
        recorder: the project that they go to.
        folders: of runs, as `waiting_runs` gives them.
        done: told of each.

    Raises:
        Unavailable: the project takes nothing now; what is left stays where it is.
    """
    found = []
    for folder in folders:
        found.append(_sync_run(recorder, folder))
        done(found[-1])
    return found


def _sync_run(recorder: Recorder, folder: Path) -> Synced:
    try:
        adopted = adopt_run(recorder.runs, recorder.objects, folder)
    except Unavailable:  # the project, which says so again; or who brings this run home takes long, and goes on with it
        adopted = adopt_run(recorder.runs, recorder.objects, folder, wait=False)
    problem = "; ".join(each.problem for each in adopted if each.problem)
    left = _waits(folder)
    return Synced(
        run=folder.name,
        state="stored" if not left else "left" if problem else "running",
        points=sum(each.points for each in adopted),
        messages=sum(each.messages for each in adopted),
        problem=problem,
    )


def _waits(folder: Path) -> bool:
    return any(True for pattern in _FILES for _ in folder.glob(pattern))
