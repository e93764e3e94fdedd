"""Starts runs: by a script, a notebook cell or a pipeline; or joins the one that `clew run` has started."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from clew.core.errors import Invalid, NotFound, Unavailable
from clew.core.ids import Digest
from clew.core.types.run import Run, RunKind, RunStatus, Scalar
from clew.tracking.adopt import CONSOLE
from clew.tracking.begin import begin, new_run, record_start
from clew.tracking.capture.cells import in_notebook
from clew.tracking.capture.command import entry_of_process
from clew.tracking.capture.console import Console, tee
from clew.tracking.capture.seeds import Seeds, restore_seeds
from clew.tracking.capture.snapshot import take_process
from clew.tracking.described import described
from clew.tracking.here import file_here, steps_here
from clew.tracking.line import Line, open_line
from clew.tracking.params import flat_params
from clew.tracking.ranks import RANK_TAG, Rank, find_rank
from clew.tracking.recorder import Recorder
from clew.tracking.run import ActiveRun, current_run

__all__ = [
    "RESUMED_VARIABLE",
    "ROOM_VARIABLE",
    "RUN_VARIABLE",
    "SEEDS_VARIABLE",
    "join_as_child",
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

ROOM_VARIABLE = "CLEW_ROOM"
"""Environment variable: `1` where a run is repeated in a clean room, whose runs and versions nobody looks at later."""

_joined = ""
_RANK_WAIT_S, _RANK_LOOK_S = 120.0, 0.05


def say_on_stderr(text: str) -> None:
    """Tell the person at the terminal; where nobody listens any more, nobody hears."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            sys.stderr.write(f"clew: {text}\n")


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What every way of starting a run is asked for; see `start`."""

    recorder: Recorder
    params: dict[str, Scalar]
    tags: dict[str, str]
    capture: bool
    tees: bool
    say: Callable[[str], None]
    made: type[ActiveRun]

    def open(self, run: str, *, main: bool) -> Line:
        return open_line(self.recorder, run, self.say, main=main)

    def active(
        self, run: Run, line: Line, *, ends: bool = True, own: bool = False, console: Console | None = None
    ) -> ActiveRun:
        tees = console is not None and self.tees
        return self.made(
            run,
            line=line,
            ends=ends,
            watches=own and self.recorder.system,
            keeps_cells=own and "source" not in self.recorder.left_out,
            console=console,
            stop_console=tee(console) if console is not None and tees else lambda: None,
        )


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
        ClewError: the project cannot be written to, or there is no run to go on or to fork.
    """
    _go_on_from_seeds(recorder)
    flat, words = flat_params(params or {}), {key: str(value) for key, value in (tags or {}).items()}
    asked = _Asked(recorder=recorder, params=flat, tags=words, capture=capture, tees=tees, say=say, made=made)
    joined, outer = _claim(), current_run()
    if joined:
        if resume and recorder.id_of(resume) != joined:
            what = f"this script runs within run {joined}, and cannot let run {resume} go on"
            raise Invalid(what, hint=f"clew run --resume {resume} SCRIPT")
        return _join(asked, joined, name=name, experiment=experiment, fork=fork)
    if resume:
        return _resume(asked, resume)
    rank = find_rank(os.environ) if not (fork or outer or parent) else None
    if rank is not None and rank.number:
        return _join_as_rank(asked, rank)
    run = new_run(
        recorder,
        id=rank.run if rank is not None else "",
        name=name,
        kind=kind or (RunKind.NOTEBOOK if in_notebook() else RunKind.SCRIPT),
        parent=parent if parent is not None else outer.id if outer is not None else _joined,
        params=flat,
        tags=words,
        entry=entry,
    )
    return _begin(asked, run, outer, experiment=experiment, fork=fork)


def _begin(asked: _Asked, run: Run, outer: ActiveRun | None, *, experiment: str, fork: str) -> ActiveRun:
    """A new run, which takes over what the one around it has recorded."""
    line = asked.open(run.id, main=True)
    own = asked.capture and outer is None

    def record(run: Run) -> Run:
        if own:
            return record_start(line, run, entry=entry_of_process())
        return _inherit(run, outer.info) if asked.capture and outer is not None else run

    run = begin(line, run, record=record, experiment=experiment, fork=fork)
    console = Console(line.journal.folder / CONSOLE) if own and asked.recorder.console else None
    return asked.active(run, line, own=own, console=console)


def _join(asked: _Asked, run_id: str, *, name: str, experiment: str, fork: str) -> ActiveRun:
    """The run of the process that started this one."""
    line = asked.open(run_id, main=False)
    with line.closed_by_errors(delete=True):
        run = line.runs.describe(
            run_id,
            params=asked.params,
            tags=asked.tags,
            name=name or None,
            experiment=experiment or None,
            capture=take_process(line.objects) if asked.capture else None,
        )
        if fork:
            trunk, step = asked.recorder.trunk_of(fork, asked.say)
            run = line.runs.fork(run_id, of=trunk, step=step)
    if os.environ.pop(RESUMED_VARIABLE, ""):
        _go_on(line, run_id)
    return asked.active(run, line, ends=False)


def join_as_child(
    recorder: Recorder, run: Run, *, say: Callable[[str], None] = say_on_stderr, made: type[ActiveRun] = ActiveRun
) -> ActiveRun:
    """The run of a process that has handed it to this one, which may log to it as a forked child may."""
    line = open_line(recorder, run.id, say, main=False, child=True)
    return made(run, line=line, ends=False, child=True)


def _join_as_rank(asked: _Asked, rank: Rank) -> ActiveRun:
    """The run that rank 0 begins, as another rank has it."""
    line = asked.open(rank.run, main=False)
    told = {**asked.tags, f"{RANK_TAG}{rank.number}": line.journal.id}
    with line.closed_by_errors(delete=True):
        if line.posted is None:
            _await_run(asked.recorder, rank.run)
        run = line.runs.describe(rank.run, params=asked.params, tags=told)
    path = line.journal.folder / f"console-rank{rank.number}.txt"
    console = Console(path) if asked.capture and asked.recorder.console else None
    return asked.active(run, line, ends=False, console=console)


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


def _resume(asked: _Asked, name: str) -> ActiveRun:
    """A run that has ended, going on in this process."""
    recorder = asked.recorder
    run_id = recorder.id_of(name)
    recorder.bring_home(run_id, asked.say)
    line = asked.open(run_id, main=True)
    with line.closed_by_errors(delete=True):
        _go_on(line, run_id)
        ended = line.runs.get(run_id)
        if not ended.created_us:
            asked.say(f"run {run_id} began elsewhere, and clew sync joins them: what names no step is numbered from 0")
        # Another value of a parameter is refused before the run goes on, and not behind that.
        described(msgspec.structs.replace(ended, status=RunStatus.RUNNING), params=asked.params)
        run = line.runs.resume(run_id)
    with line.closed_by_errors(delete=False):
        if asked.params or asked.tags:
            run = line.runs.describe(run_id, params=asked.params, tags=asked.tags)
    keeps = asked.capture and recorder.console
    console = Console(line.journal.folder / CONSOLE, before=_console_of(line, run_id)) if keeps else None
    return asked.active(run, line, own=asked.capture, console=console)


def _go_on(line: Line, run: str) -> None:
    """Number points behind those that the run has; where that cannot be asked, behind those that wait here."""
    try:
        found = line.recorder.ask(lambda: line.recorder.runs.summaries([run]))
        last = {series.key: int(series.last_step) for series in found}
    except Unavailable:
        last = steps_here(line.journal.folder)
    line.journal.go_on({key: step + 1 for key, step in last.items()})


def _console_of(line: Line, run: str) -> bytes:
    """What a run has printed so far, where that can be had."""
    recorder = line.recorder
    try:
        files = recorder.ask(lambda: recorder.runs.artifacts(run))
        kept = next((each for each in files if each.path == CONSOLE), None)
        return recorder.objects.get(kept.digest) if kept is not None else b""
    except (Unavailable, NotFound):
        return file_here(line.journal.folder, CONSOLE)


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
