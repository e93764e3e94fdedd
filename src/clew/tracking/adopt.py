"""Brings home the journals of processes that are gone: after a kill, a fork, or a ledger that was out of reach.

Not the drain of a living process (`drain`). A journal is orphaned when nobody holds the lock on its first segment;
process ids say nothing. Reasoning: docs/design/journal.md.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.contracts.services import RunService
from clew.core.errors import Corrupt, NotFound, Unavailable
from clew.core.types.run import Run, RunStatus
from clew.store.objects.local import LocalObjects
from clew.tracking.artifact import Content, keep
from clew.tracking.cut import cut_path
from clew.tracking.ending import Ending, read_ending
from clew.tracking.kept import kept_folder
from clew.tracking.messages import Begin, Resume
from clew.tracking.outbox import Outbox, outbox_path, read_outbox
from clew.tracking.post import Post
from clew.tracking.segment import locked, read_header, read_segment
from clew.tracking.slots import Header, Slots, parse_slots
from clew.tracking.stop import STOPPED
from clew.tracking.undrained import TURN_S, drain_dead, turn

__all__ = [
    "CONSOLE",
    "Adopted",
    "adopt",
    "adopt_run",
    "bring_home",
    "find_alive",
    "find_lasting",
    "journals_folder",
]

CONSOLE = "console.txt"
"""What a run printed: a file beside its journals, then an artifact."""

_GONE = "its process ended without closing the run"
_STALE_S = 3600.0
_WAIT_S = 60.0
_LOOK_S = 0.5
_FILES = ("*.journal", "*.outbox")


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """One journal that was brought home. `problem` says what could not be, and where it lies now."""

    run: str
    journal: str
    points: int
    messages: int = 0
    killed: bool = False
    problem: str = ""


def journals_folder(folder: Path, run: str = "") -> Path:
    """Where the journals of a project (of a run) lie below its `.clew` folder."""
    return folder / "journals" / run


def adopt(runs: RunService, objects: Objects, folder: Path) -> list[Adopted]:
    """Drain every orphaned journal of a project, and say of runs whose process is gone that they were killed.

    Args:
        runs: where points go to.
        objects: where the text of consoles goes to.
        folder: the project's `.clew` folder.

    Raises:
        Unavailable: the ledger takes nothing now; the journals stay.
    """
    root = journals_folder(folder)
    if not root.is_dir():
        return []
    folders = [run for run in sorted(root.iterdir()) if run.is_dir()]
    return [found for run in folders for found in adopt_run(runs, objects, run, wait=False)]


def adopt_run(runs: RunService, objects: Objects, folder: Path, *, wait: bool = True) -> list[Adopted]:
    """`adopt` for the journals in the folder of one run.

    Args:
        runs: as there.
        objects: as there.
        folder: of the run's journals.
        wait: for who brings this run home at the moment, up to a minute; otherwise it is left to them.

    Raises:
        Unavailable: as there; or somebody else brings it home for longer than that.
    """
    with _alone(folder, wait_s=_WAIT_S if wait else 0.0) as alone:
        if wait and not alone and folder.exists():
            what = f"another process has been bringing run {folder.name} home for {_WAIT_S:g} s"
            raise Unavailable(what, hint="wait for that process, or end it if it hangs")
        return _adopt_run(runs, objects, folder) if alone else []


def bring_home(runs: RunService, objects: Objects, folder: Path, say: Callable[[str], None]) -> None:
    """`adopt_run`, and say what could not be stored."""
    for found in adopt_run(runs, objects, folder):
        if found.problem:
            say(found.problem)


@contextlib.contextmanager
def _alone(folder: Path, *, wait_s: float) -> Iterator[bool]:
    """Whether nobody else brings this run home while the block lasts: its parts come in order, and the last ends it."""
    with contextlib.ExitStack() as stack:
        alone = True
        with contextlib.suppress(OSError):  # no folder, or no such locks here
            alone = stack.enter_context(locked(folder, os.O_RDONLY, wait_s=wait_s))
        yield alone


def _adopt_run(runs: RunService, objects: Objects, folder: Path) -> list[Adopted]:
    with contextlib.suppress(OSError):
        for unfinished in folder.glob("*.new"):
            if _is_stale(unfinished):
                unfinished.unlink()
    files = [path for pattern in _FILES for path in folder.glob(pattern)]
    journals = sorted({path.name.partition(".")[0] for path in files})
    last_us = _last_sign_of_life(folder)
    found: list[Adopted | None] = []
    for some in _times(folder, journals):
        main = [journal for journal in some if _is_main(folder, journal)]
        children = [journal for journal in some if journal not in main]
        # Who began the run comes first, so that there is one, and ends it last: its children belong to it until then.
        found += [_adopt(runs, objects, folder, journal, last_us=None) for journal in main if children]
        found += [_adopt(runs, objects, folder, journal, last_us=last_us) for journal in [*children, *main]]
    adopted = _together([each for each in found if each is not None])
    for journal in {path.stem for path in folder.glob("*.end")}.difference(journals):
        _end_without_journal(runs, objects, folder, journal)
    with contextlib.suppress(OSError):
        if not journals:
            (folder / STOPPED).unlink(missing_ok=True)
        # Of a living run, too, whose journal found no room.
        if not journals and _is_stale(folder / CONSOLE):
            (folder / CONSOLE).unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()
    return adopted


def find_alive(folder: Path, journal: str) -> list[str]:
    """The other journals in a run's folder whose processes live."""
    others = {path.name.partition(".")[0] for path in folder.glob("*.journal")} - {journal}
    return [other for other in sorted(others) if _lives(folder, other)]


def find_lasting(folder: Path, journal: str) -> list[str]:
    """The other processes that let a run go on now, and have not said how they end: one of them ends it."""
    said = {path.stem for path in folder.glob("*.end")}
    others = {path.name.partition(".")[0] for path in folder.glob("*.journal")} - {journal} - said
    main = [other for other in sorted(others) if _is_main(folder, other)]
    # Who lives is asked last: of one that goes meanwhile, neither its header nor its word can be read any more.
    with _alone(folder, wait_s=_LOOK_S) as alone:
        living = [other for other in main if _lives(folder, other)]
    # Who brings a run home holds the locks of those that are gone, and they began before the one that goes on.
    return living if alone else [other for other in living if other > journal]


def _lives(folder: Path, journal: str) -> bool:
    with contextlib.suppress(PermissionError), _orphaned(folder, journal) as mine:
        return not mine and any(folder.glob(f"{journal}.*.journal"))
    return False


def _times(folder: Path, journals: list[str]) -> list[list[str]]:
    """The journals of a run, apart for each time that a process began it or let it go on, in order."""
    again = [journal for journal in journals if _is_main(folder, journal)][1:]
    return [list(some) for _, some in groupby(journals, key=partial(bisect, again))]


def _goes_on(folder: Path, journal: str) -> bool:
    """Whether another process let the run go on later, or does so now: then that one ends it."""
    others = {path.name.partition(".")[0] for pattern in _FILES for path in folder.glob(pattern)} - {journal}
    main = [other for other in others if _is_main(folder, other)]
    return any(other > journal or _lives(folder, other) for other in main)


def _is_main(folder: Path, journal: str) -> bool:
    """Whether a journal is of a process that began the run or let it go on; one that cannot be read may be."""
    first = min(folder.glob(f"{journal}.*.journal"), default=None)
    try:
        if first is None:  # it found no room, and its outbox did
            said = [each.message for each in read_outbox(outbox_path(folder, journal), all=True)]
            return any(isinstance(message, Begin | Resume) for message in said)
        header = read_header(first)
    except (OSError, Corrupt):
        return True
    return header is None or header.main


def _together(found: list[Adopted]) -> list[Adopted]:
    """What was brought home of each journal, in one."""
    whole: dict[str, Adopted] = {}
    for part in found:
        before = whole.get(part.journal)
        whole[part.journal] = part if before is None else _sum(before, part)
    return list(whole.values())


def _sum(one: Adopted, two: Adopted) -> Adopted:
    return msgspec.structs.replace(
        two,
        messages=one.messages + two.messages,
        problem="; ".join(dict.fromkeys(filter(None, (one.problem, two.problem)))),
    )


def _adopt(runs: RunService, objects: Objects, folder: Path, journal: str, *, last_us: int | None) -> Adopted | None:
    """Bring home one journal, if its process is gone; no more than its messages where `last_us` is not given."""
    try:
        with _orphaned(folder, journal) as mine:
            return _adopt_orphan(runs, objects, folder, journal, last_us=last_us) if mine else None
    except OSError as error:  # another user's, or a disk that fails: the others come home
        problem = f"{error.filename or folder}: {error.strerror}; it stays there"
        return Adopted(run=folder.name, journal=journal, points=0, problem=problem)


def _adopt_orphan(runs: RunService, objects: Objects, folder: Path, journal: str, *, last_us: int | None) -> Adopted:
    problems: list[str] = []
    found = Adopted(run=folder.name, journal=journal, points=0)
    with turn(folder, journal, wait_s=TURN_S), _open_post(runs, objects, folder, journal, problems) as post:
        try:
            post.deliver(to_end=False)
            if last_us is not None:
                parts = _read(folder, journal, problems)
                found = _bring_home(runs, objects, folder, found, parts, post, last_us=last_us)
        except NotFound as error:
            if post.waits or any(len(slots.numbers) for _, slots in _read(folder, journal, problems)):
                problem = f"{error.what} in this project; what waits stays in {folder}"
                return msgspec.structs.replace(found, problem=problem)
        if last_us is not None:
            shutil.rmtree(kept_folder(folder, journal), ignore_errors=True)
            paths = sorted(folder.glob(f"{journal}.*.journal"), reverse=True)
            aside = [folder / f"{journal}.end", outbox_path(folder, journal), cut_path(folder, journal)]
            for path in [*aside, *paths]:
                path.unlink(missing_ok=True)
    return msgspec.structs.replace(found, messages=post.delivered, problem="; ".join(problems))


@contextlib.contextmanager
def _open_post(runs: RunService, objects: Objects, folder: Path, journal: str, problems: list[str]) -> Iterator[Post]:
    """What hands over what the process has said; a damaged outbox is set aside."""
    path = outbox_path(folder, journal)
    outbox = Outbox(path, problems.append)
    if path.exists():
        try:
            outbox = Outbox.adopted(path, problems.append)
        except Corrupt as error:
            problems.append(f"{error.what}; kept as {path.rename(path.with_suffix('.outbox-corrupt'))}")
    try:
        yield Post(outbox, LocalObjects(kept_folder(folder, journal)), runs, objects, problems.append)
    finally:
        outbox.close(delete=False)


def _end_without_journal(runs: RunService, objects: Objects, folder: Path, journal: str) -> None:
    """End a run whose journal found no room, as its process said; not where another one lets it go on."""
    end = read_ending(folder, journal)
    with contextlib.suppress(NotFound):
        if end is not None and not _goes_on(folder, journal):
            _end(runs, objects, folder, runs.get(folder.name), end)
    (folder / f"{journal}.end").unlink(missing_ok=True)


def _is_stale(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > _STALE_S


def _last_sign_of_life(folder: Path) -> int:
    """When any process of the run last touched a file, microseconds since 1970 UTC."""
    with contextlib.suppress(OSError):
        return max((path.stat().st_mtime_ns for path in folder.iterdir()), default=0) // 1000
    return 0


@contextlib.contextmanager
def _orphaned(folder: Path, journal: str) -> Iterator[bool]:
    """Whether the journal's lock could be taken, for as long as the block lasts."""
    outbox = outbox_path(folder, journal)
    first = min(folder.glob(f"{journal}.*.journal"), default=outbox if outbox.exists() else None)
    with contextlib.ExitStack() as stack:
        mine = False
        if first is not None:
            with contextlib.suppress(FileNotFoundError):  # it was adopted meanwhile
                mine = stack.enter_context(locked(first))
        yield mine


def _read(folder: Path, journal: str, problems: list[str]) -> Iterator[tuple[Header, Slots]]:
    """The segments that can be read, one at a time; others are set aside under `.corrupt`."""
    for path in sorted(folder.glob(f"{journal}.*.journal")):
        try:
            found = read_segment(path)
            slots = parse_slots(found[1], found[0].base, str(path)) if found is not None else None
        except Corrupt as error:
            problems.append(f"{error.what}; kept as {path.rename(path.with_suffix('.corrupt'))}")
            continue
        if found is not None and slots is not None:
            yield found[0], slots


def _bring_home(
    runs: RunService,
    objects: Objects,
    folder: Path,
    journal: Adopted,
    parts: Iterable[tuple[Header, Slots]],
    post: Post,
    *,
    last_us: int,
) -> Adopted:
    """Store the points that a process left, and how it ended; `last_us` says when any of its kind was last seen."""
    found = drain_dead(runs, folder, journal.journal, parts)
    post.deliver(to_end=True)
    killed = False
    if found.main and not _goes_on(folder, journal.journal):
        run, end = runs.get(found.main), read_ending(folder, journal.journal)
        alive_us = max(run.created_us, last_us, found.last_us)
        end = end or Ending(status=RunStatus.KILLED, ended_us=alive_us, reason=_GONE)
        killed = _end(runs, objects, folder, run, end)
    return msgspec.structs.replace(journal, points=found.points, killed=killed)


def _end(runs: RunService, objects: Objects, folder: Path, run: Run, end: Ending) -> bool:
    """End a run whose process is gone, with what it printed; whether it was killed."""
    running = run.status is RunStatus.RUNNING
    with contextlib.suppress(OSError):
        (folder / STOPPED).unlink()
    consoles = [folder / CONSOLE, *folder.glob("console-rank*.txt")]
    for console in consoles:
        if running and console.is_file() and console.stat().st_size:
            keep(runs, objects, run.id, console.name, Content(console, "text/plain"), at_us=end.ended_us)
    if running:
        runs.finish(run.id, end.status, ended_us=end.ended_us, reason=end.reason)
    for console in consoles:
        console.unlink(missing_ok=True)
    return running and end.status is RunStatus.KILLED
