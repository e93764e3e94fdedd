"""Finishes a run for one process: all that it said is stored, or it waits on this machine for `clew sync`.

Not how it ended (`ending`), nor what happens to runs whose process is gone (`adopt`).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from clew.core.errors import ClewError, Conflict
from clew.core.numbers import counted
from clew.core.types.run import Run
from clew.tracking.adopt import bring_home, find_alive, find_lasting
from clew.tracking.drain import Drain
from clew.tracking.ending import Ending, write_ending
from clew.tracking.journal import Journal
from clew.tracking.line import Line
from clew.tracking.stop import STOPPED

__all__ = ["Finished", "await_ranks", "finish"]

_RANKS_S = 10.0


class Finished(NamedTuple):
    """The run as this process knows it now, and whether some of it waits on this machine."""

    run: Run
    left: bool


def await_ranks(journal: Journal) -> None:
    """Let other ranks on this machine, which end when this one does, say their last words before the run ends.

    Each of them keeps a console beside its journal.
    """
    until_s = time.monotonic() + _RANKS_S
    if any(journal.folder.glob("console-rank*.txt")):
        while find_alive(journal.folder, journal.id) and time.monotonic() < until_s:
            time.sleep(0.02)


def _await_words(journal: Journal) -> None:
    """Let processes that leave the end of the run to this one hand over the rest of what they said before it."""
    until_s = time.monotonic() + _RANKS_S
    while time.monotonic() < until_s and any(
        (journal.folder / f"{other}.end").exists() for other in find_alive(journal.folder, journal.id)
    ):
        time.sleep(0.02)


def finish(
    line: Line, drain: Drain, run: Run, ending: Ending, *, ends: bool, again: bool, keep: Callable[[], Path | None]
) -> Finished:
    """Say the last words of this process. When nobody takes them, that is said, and the journal waits.

    Args:
        line: how the run reaches its project; closed when this returns.
        drain: of its journal.
        run: as this process knows it.
        ending: how it ends.
        ends: whether the run ends with this process, rather than with another one.
        again: whether a server that does not answer is asked for some seconds more.
        keep: keeps what is complete only now, and gives the file of the console, which goes with the run.
    """

    def say_end() -> Run:
        console, last = keep(), not ends or _is_last(line, run, ending)
        if console is not None and last:
            console.unlink(missing_ok=True)
        if not (last and ends):
            return run
        with contextlib.suppress(OSError):  # a disk that fails is no reason to say no end
            (line.journal.folder / STOPPED).unlink()
        return line.runs.finish(run.id, ending.status, ended_us=ending.ended_us, reason=ending.reason)

    ended = run
    try:
        if line.posted is None:
            drain.finish()
            _bring_home_children(line)
            ended = say_end()
        else:
            ended = say_end()
            drain.finish_within(line.recorder.wait_s, lambda: _deliver_end(line, ends=ends), again=again)
    except (ClewError, OSError) as error:
        if isinstance(error, Conflict) and not ends:
            line.say(f"the last words of this process came when run {ended.name} had ended: {error.what}")
        else:
            _leave(line, ended, ending if ends else None, error)
            return Finished(ended, left=True)
    _clear(line, ended)
    return Finished(ended, left=False)


def _is_last(line: Line, run: Run, ending: Ending) -> bool:
    """Whether no other process of this machine has let this run go on too: the last one ends it."""
    folder, journal = line.journal.folder, line.journal.id
    if not find_lasting(folder, journal):
        return True
    with contextlib.suppress(OSError):
        write_ending(folder, journal, ending)  # of two that end at once, at least one sees that the other does
    if not find_lasting(folder, journal):
        return True
    line.say(f"run {run.name} goes on in another process, which ends it")
    return False


def _bring_home_children(line: Line) -> None:
    bring_home(line.recorder.runs, line.recorder.objects, line.journal.folder, line.say)


def _deliver_end(line: Line, *, ends: bool) -> None:
    if ends:
        _await_words(line.journal)
    _bring_home_children(line)
    if line.posted is not None:
        line.posted.deliver(to_end=True)


def _leave(line: Line, run: Run, ending: Ending | None, error: Exception) -> None:
    """Leave the journal to who adopts it; with the ending of the run, where it ends with this process."""
    folder = line.journal.folder
    _say_lost(line, run, line.journal.dropped + line.journal.count_unsafe())
    if ending is not None and line.posted is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_ending(folder, line.journal.id, ending)
        except OSError as failure:
            error = failure
    if ending is not None:  # otherwise the process that ends the run has the last word
        said = error.what if isinstance(error, ClewError) else str(error)
        line.say(f"not all of run {run.name} is stored yet ({said}); it waits in {folder}: clew sync")
    line.close(delete=False)


def _clear(line: Line, run: Run) -> None:
    folder, journal = line.journal.folder, line.journal.id
    _say_lost(line, run, line.journal.dropped)
    line.close(delete=True)
    with contextlib.suppress(OSError):
        if not find_alive(folder, journal):  # otherwise a launcher of it may look for that
            (folder / STOPPED).unlink(missing_ok=True)
        # Behind the journal: who ends meanwhile sees this word, or that nobody has the journal any more.
        (folder / f"{journal}.end").unlink(missing_ok=True)
        folder.rmdir()


def _say_lost(line: Line, run: Run, points: int) -> None:
    if points:
        line.say(f"{counted(points, 'points')} of run {run.name} lost: there was no room")
