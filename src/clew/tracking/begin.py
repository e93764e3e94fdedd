"""Begins new runs: the run itself, what is recorded about it, and its place in the lineage.

Not who asks for one: a script or notebook (`start`), or `clew run` for a script that has not started yet (`launch`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from clew.core.contracts.services import RunWriter
from clew.core.types.edge import Role, node
from clew.core.types.run import Run, RunKind, RunStatus, Scalar
from clew.tracking.capture.snapshot import take_snapshot
from clew.tracking.line import Line
from clew.tracking.names import name_of
from clew.tracking.recorder import Recorder

__all__ = ["begin", "new_run", "record_start"]

DEFAULT = "default"
"""The experiment of runs that name none."""


def new_run(
    recorder: Recorder,
    *,
    kind: RunKind,
    id: str = "",
    name: str = "",
    params: Mapping[str, Scalar] | None = None,
    tags: Mapping[str, str] | None = None,
    parent: str = "",
    entry: str = "",
) -> Run:
    """A run that begins now, as nobody else knows it yet; with an id, and a name that a person can say."""
    run_id = id or recorder.ids()
    return Run(
        id=run_id,
        project=recorder.project,
        experiment="",
        name=name or name_of(run_id),
        kind=kind,
        status=RunStatus.RUNNING,
        created_us=recorder.clock.now_us(),
        created_by=recorder.actor,
        parent=parent,
        params=dict(params or {}),
        tags=dict(tags or {}),
        entry=entry,
    )


def begin(line: Line, run: Run, *, record: Callable[[Run], Run], experiment: str = "", fork: str = "") -> Run:
    """Create a run. What fails behind that leaves one that was killed, as soon as somebody adopts its journal.

    Args:
        line: open, and of this run.
        run: from `new_run`.
        record: adds what is recorded about its start.
        experiment: name of its group; `default` when empty.
        fork: `RUN@step`, whose history it shares.
    """
    with line.closed_by_errors(delete=True):
        trunk, step = line.recorder.trunk_of(fork, line.say) if fork else ("", 0.0)
        created = line.runs.create(record(run), experiment=experiment or DEFAULT)
    with line.closed_by_errors(delete=False):
        if created.status is not RunStatus.RUNNING:  # the ranks of a job that is started again
            created = line.runs.resume(created.id)
        _link_capture(line.runs, created)
        if fork:
            created = line.runs.fork(created.id, of=trunk, step=step)
    return created


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
    left_out = line.recorder.left_out
    snapshot = take_snapshot(
        line.objects, entry=entry, cache=cache, words=words, variables=variables, left_out=left_out
    )
    for left in snapshot.secrets:
        line.say(f"{left.path} is not in the snapshot of the source: {left.reason.removeprefix('secret: ')}")
    return msgspec.structs.replace(
        run,
        capture=snapshot.capture,
        commit=snapshot.commit,
        command=snapshot.words,
        entry=run.entry or snapshot.entry,
    )


def _link_capture(runs: RunWriter, run: Run) -> None:
    """Put code and environment of a run into the lineage."""
    for aspect, kind, role in (("source", "code", Role.CODE), ("environment", "environment", Role.ENVIRONMENT)):
        if aspect in run.capture:
            runs.link(run.id, node(kind, run.capture[aspect]), role)
