"""Starts runs: by a script, a notebook cell or a pipeline; or joins the one that `clew run` has started."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from clew.core.contracts.services import RunWriter
from clew.core.errors import NotFound, Unavailable
from clew.core.ids import Digest, is_id
from clew.core.types.edge import Role, node
from clew.core.types.run import Run, RunKind, RunStatus, Scalar
from clew.tracking.adopt import CONSOLE
from clew.tracking.capture.command import entry_of_process
from clew.tracking.capture.console import Console, tee
from clew.tracking.capture.seeds import Seeds, restore_seeds
from clew.tracking.capture.snapshot import take_process, take_snapshot
from clew.tracking.fork import fork_of
from clew.tracking.line import Line, open_line
from clew.tracking.names import name_of
from clew.tracking.params import flat_params
from clew.tracking.ranks import Rank, find_rank
from clew.tracking.recorder import Recorder
from clew.tracking.run import ActiveRun, current_run, in_notebook

__all__ = [
    "RESUMED_VARIABLE",
    "RUN_VARIABLE",
    "SEEDS_VARIABLE",
    "link_capture",
    "record_start",
    "say_on_stderr",
    "start",
]

RUN_VARIABLE = "CLEW_RUN"
"""Environment variable: id of the run that the first `start` of this process joins."""

RESUMED_VARIABLE = "CLEW_RESUMED"
"""Environment variable: `1` where the run that is joined has run before, so that its steps go on."""

SEEDS_VARIABLE = "CLEW_SEEDS"
"""Environment variable: digest of the states that random generators are put into by the first `start`, for a run that
repeats another one."""

_joined = ""
_RANK_WAIT_S, _RANK_LOOK_S = 120.0, 0.05


def say_on_stderr(text: str) -> None:
    """Tell the person at the terminal."""
    sys.stderr.write(f"clew: {text}\n")


def start(
    recorder: Recorder,
    name: str = "",
    *,
    params: Mapping[str, object] | None = None,
    experiment: str = "",
    tags: Mapping[str, str] | None = None,
    kind: RunKind | None = None,
    parent: str | None = None,
    entry: str = "",
    resume: str = "",
    fork: str = "",
    capture: bool = True,
    tees: bool = True,
    say: Callable[[str], None] = say_on_stderr,
    made: type[ActiveRun] = ActiveRun,
) -> ActiveRun:
    """Start a run; use it as a context manager, or call `finish`. The end of the process ends it too.

    In a process that `clew run` started, the first call joins that run, and later ones start runs below it.

    Args:
        recorder: the project's.
        name: without one, the run gets one that a person can say.
        params: recorded at once; nested mappings become dotted names.
        experiment: name of the group, made when there is none; `default` when empty.
        tags: free words.
        kind: script or notebook by itself.
        parent: id of the run that this one is part of, `""` for none; by default the one whose `with` block this is.
        entry: the script or pipeline that runs, as people should read it; found out when empty.
        resume: the run that goes on, by id, the beginning of it, or name; its steps go on too.
        fork: `RUN@step`: a new run that shares the history of that one up to the step.
        capture: record source, environment, hardware, seeds, command and console. A run within another one takes over
            what that one recorded.
        tees: copy what this process prints into the console of the run.
        say: told what a person should know.
        made: the class of the run.

    Raises:
        ClewError: the project cannot be written to.
    """
    _go_on_from_seeds(recorder)
    flat, words = flat_params(params or {}), {key: str(value) for key, value in (tags or {}).items()}
    joined, outer = _claim(), current_run()
    rank = find_rank(os.environ) if not (joined or resume or fork or outer or parent) else None
    if rank is not None and rank.number:
        return _as_rank(recorder, rank, params=flat, tags=words, say=say, capture=capture, made=made)
    if joined:
        line = open_line(recorder, joined, say, main=False)
        run = line.runs.describe(
            joined,
            params=flat,
            tags=words,
            name=name or None,
            experiment=experiment or None,
            capture=take_process(line.objects) if capture else None,
        )
        if os.environ.pop(RESUMED_VARIABLE, ""):
            _go_on(line, joined)
        return made(run, line=line, ends=False)
    if resume:
        return _resumed(recorder, resume, params=flat, tags=words, say=say, capture=capture, tees=tees, made=made)
    run_id = rank.run if rank is not None else recorder.ids()
    run = Run(
        id=run_id,
        project=recorder.project,
        experiment="",
        name=name or name_of(run_id),
        kind=kind or (RunKind.NOTEBOOK if in_notebook() else RunKind.SCRIPT),
        status=RunStatus.RUNNING,
        created_us=recorder.clock.now_us(),
        created_by=recorder.actor,
        parent=parent if parent is not None else outer.id if outer is not None else _joined,
        params=flat,
        tags=words,
        entry=entry,
    )
    line = open_line(recorder, run_id, say, main=True)
    try:
        if capture and outer is not None:
            run = _inherit(run, outer.info)
        elif capture:
            run = record_start(line, run, entry=entry_of_process())
        run = line.runs.create(run, experiment=experiment or "default")
        if run.status is not RunStatus.RUNNING:  # the ranks of a job that is started again
            run = line.runs.resume(run.id)
        link_capture(line.runs, run)
        if fork:
            of, step = fork_of(fork)
            run = line.runs.fork(run.id, of=_id_of(recorder, of), step=step)
    except BaseException:
        line.drop()
        raise
    console = Console(line.journal.folder / CONSOLE) if capture and outer is None and recorder.console else None
    return made(
        run,
        line=line,
        watches=capture and outer is None and recorder.system,
        console=console,
        stop_console=tee(console) if console is not None and tees else lambda: None,
    )


def _as_rank(
    recorder: Recorder,
    rank: Rank,
    *,
    params: dict[str, Scalar],
    tags: dict[str, str],
    say: Callable[[str], None],
    capture: bool,
    made: type[ActiveRun],
) -> ActiveRun:
    """The run that rank 0 begins, as another rank has it."""
    line = open_line(recorder, rank.run, say, main=False)
    if line.posted is None:
        _await_run(recorder, rank.run)
    told = {**tags, f"clew.rank.{rank.number}": line.journal.id}
    run = line.runs.describe(rank.run, params=params, tags=told)
    name = f"console-rank{rank.number}.txt"
    console = Console(line.journal.folder / name) if capture and recorder.console else None
    return made(
        run,
        line=line,
        ends=False,
        console=console,
        stop_console=tee(console) if console is not None else lambda: None,
    )


def _await_run(recorder: Recorder, run: str) -> None:
    """Wait until rank 0 has begun the run."""
    until_s = time.monotonic() + _RANK_WAIT_S
    while True:
        try:
            recorder.runs.get(run)
        except NotFound:
            if time.monotonic() > until_s:
                raise
            time.sleep(_RANK_LOOK_S)
        else:
            return


def _resumed(
    recorder: Recorder,
    name: str,
    *,
    params: dict[str, Scalar],
    tags: dict[str, str],
    say: Callable[[str], None],
    capture: bool,
    tees: bool,
    made: type[ActiveRun],
) -> ActiveRun:
    """A run that has ended, going on in this process."""
    run_id = _id_of(recorder, name)
    line = open_line(recorder, run_id, say, main=True)
    try:
        run = line.runs.resume(run_id)
        if params or tags:
            run = line.runs.describe(run_id, params=params, tags=tags)
        _go_on(line, run_id)
    except BaseException:
        line.drop()
        raise
    console = (
        Console(line.journal.folder / CONSOLE, before=_console_of(recorder, run_id))
        if capture and recorder.console
        else None
    )
    return made(
        run,
        line=line,
        watches=capture and recorder.system,
        console=console,
        stop_console=tee(console) if console is not None and tees else lambda: None,
    )


def _go_on(line: Line, run: str) -> None:
    """Number points behind those that the run has, where that can be asked."""
    with contextlib.suppress(Unavailable):
        found = line.recorder.runs.summaries([run])
        line.journal.go_on({series.key: int(series.last_step) + 1 for series in found})


def _console_of(recorder: Recorder, run: str) -> bytes:
    """What a run has printed so far, where that can be had."""
    with contextlib.suppress(Unavailable, NotFound):
        kept = next((each for each in recorder.runs.artifacts(run) if each.path == CONSOLE), None)
        return recorder.objects.get(kept.digest) if kept is not None else b""
    return b""


def _id_of(recorder: Recorder, name: str) -> str:
    """The id of a run; an id needs nobody to be asked."""
    return name if is_id(name) else recorder.runs.get(name).id


def record_start(
    line: Line,
    run: Run,
    *,
    entry: Path | None,
    words: list[str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Run:
    """The run with what is recorded about its source, machine and command.

    Args:
        line: where the records go; it says which secrets were left out.
        run: not created yet.
        entry: the script that runs, if there is one.
        words: script and arguments; those of this process when None.
        variables: environment of the process that will run; None when it is this one.
    """
    cache = line.recorder.folder / "cache"
    snapshot = take_snapshot(line.objects, entry=entry, cache=cache, words=words, variables=variables)
    for left in snapshot.secrets:
        line.say(f"{left.path} is not in the snapshot of the source: {left.reason.removeprefix('secret: ')}")
    return msgspec.structs.replace(
        run,
        capture=snapshot.capture,
        commit=snapshot.commit,
        command=snapshot.words,
        entry=run.entry or snapshot.entry,
    )


def link_capture(runs: RunWriter, run: Run) -> None:
    """Put code and environment of a run into the lineage."""
    for aspect, kind, role in (("source", "code", Role.CODE), ("environment", "environment", Role.ENVIRONMENT)):
        if aspect in run.capture:
            runs.link(run.id, node(kind, run.capture[aspect]), role)


def _go_on_from_seeds(recorder: Recorder) -> None:
    asked = os.environ.pop(SEEDS_VARIABLE, "")
    if asked:
        restore_seeds(msgspec.json.decode(recorder.objects.get(Digest(asked)), type=Seeds))


def _claim() -> str:
    """The run that this process was started for, once: what it starts itself does not join it too."""
    global _joined
    asked = os.environ.pop(RUN_VARIABLE, "")
    if asked:
        _joined = asked
    return asked


def _inherit(run: Run, outer: Run) -> Run:
    return msgspec.structs.replace(
        run, capture=outer.capture, commit=outer.commit, command=outer.command, entry=run.entry or outer.entry
    )
