"""The run that user code holds: `with start(recorder, "baseline") as run: run.log(loss=0.3, step=1)`.

Metrics go to the journal and never wait; everything else goes to the services at once. Not the services (`runs`), not
what is recorded about the machine (`capture`). Promises: docs/design/journal.md.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from html import escape
from pathlib import Path
from types import TracebackType
from typing import SupportsFloat

from clew.core.errors import Conflict, Invalid, Unavailable
from clew.core.numbers import counted
from clew.core.types.dataset import DatasetVersion
from clew.core.types.edge import Node, Role, node
from clew.core.types.model import ModelVersion
from clew.core.types.run import Artifact, Run, RunKind, RunStatus, Scalar
from clew.tracking.adopt import find_alive
from clew.tracking.artifact import NOT_LOGGED, Content, Logged, check_path, content_of, files_of, keep
from clew.tracking.capture.cells import CELLS, executed_cells, in_notebook, take_cells
from clew.tracking.capture.console import Console
from clew.tracking.capture.system import Watch
from clew.tracking.drain import Drain, load_codec
from clew.tracking.ending import Ending, ending_of
from clew.tracking.finish import await_ranks, finish
from clew.tracking.line import Line
from clew.tracking.logged import path_of, shown_of
from clew.tracking.params import flat_params
from clew.tracking.point import Step, check_step
from clew.tracking.recorder import Recorder
from clew.tracking.stop import STOP_TAG, STOPPED, interrupt_main
from clew.tracking.undrained import drain_child, drain_children

__all__ = ["ActiveRun", "current_run"]

_current: ContextVar[ActiveRun | None] = ContextVar("clew_run", default=None)


def current_run() -> ActiveRun | None:
    """The run whose `with` block this code is in."""
    return _current.get()


class ActiveRun:
    """A run of this process, from `clew.tracking.start`. Threads may share it; a forked child may go on logging.

    Args:
        run: as it was created.
        line: how it reaches its project; open.
        console: the text of its console, if it keeps one.
        stop_console: called when nothing more is to be written to it.
        watches: whether it records what the machine does.
        keeps_cells: whether it keeps the cells of the notebook that it runs in, if it does.
        ends: whether the end of this object ends the run; not where a parent process will.
        child: whether another process drains its journal.
    """

    def __init__(
        self,
        run: Run,
        *,
        line: Line,
        console: Console | None = None,
        stop_console: Callable[[], None] = lambda: None,
        ends: bool = True,
        child: bool = False,
        watches: bool = False,
        keeps_cells: bool = False,
    ) -> None:
        self._run, self._line, self._console, self._ends = run, line, console, ends
        self._runs, self._objects, self._clock = line.runs, line.objects, line.recorder.clock
        self._journal, self._say, self._stop_console = line.journal, line.say, stop_console
        # One process of a run speaks for all on its machine. That an offline run stores nothing now is no news.
        speaks = ends or not self.others
        self._again = speaks and current_run() is None  # a run within another one leaves the waiting to it
        self._tell = line.say if speaks and line.recorder.wait_s else lambda _: None
        if not child and run.kind is not RunKind.PIPELINE:  # which hardly logs in a loop, and has to start fast
            load_codec()
        self._drain = Drain(
            line.journal,
            line.runs.append,
            say=self._tell,
            post=line.posted,
            beside=self._drain_children,
            beat=self._beat,
        )
        self._stopped = ""
        self.on_stop: Callable[[], object] = interrupt_main
        if not child:
            self._drain.start()
        self._watch = Watch(self._log_system) if watches else None
        self._pid = 0 if child else os.getpid()  # of the process that drains what this one logs
        self._over = self._left = False
        self._counted: dict[str, int] = {}
        self._token: Token[ActiveRun | None] | None = None
        self._error_before = _uncaught()
        self._cells: list[str] | None = [] if keeps_cells else None
        self._keep_cells()
        atexit.register(self._end_of_process)

    @property
    def id(self) -> str:
        """Its id, 32 hex digits."""
        return self._run.id

    @property
    def name(self) -> str:
        """Its name."""
        return self._run.name

    @property
    def experiment(self) -> str:
        """The name of its experiment; empty where that cannot be known."""
        if self._line.posted is not None:
            return self._line.posted.experiment
        known = {each.id: each.name for each in self.recorder.runs.experiments()}
        return known.get(self._run.experiment, "")

    @property
    def others(self) -> list[str]:
        """The journals of other processes of this machine that take part in it now."""
        return find_alive(self._journal.folder, self._journal.id)

    @property
    def hears(self) -> bool:
        """Whether another process of this machine hears by itself that this run is to stop, or has heard it."""
        return (self._journal.folder / STOPPED).exists() or bool(self.others)

    @property
    def recorder(self) -> Recorder:
        """What it is recorded through."""
        return self._line.recorder

    @property
    def stopped(self) -> str:
        """Who asked this run to stop (`clew runs stop`), or nobody. The main thread is interrupted by it."""
        return self._stopped

    @property
    def info(self) -> Run:
        """What the ledger holds of it, as far as this process knows."""
        return self._run

    def log(
        self,
        metrics: Mapping[str, SupportsFloat] | None = None,
        /,
        *,
        step: Step | None = None,
        **values: SupportsFloat,
    ) -> None:
        """Keep one point of each metric: `run.log(loss=0.3, step=7)`. It survives *kill* when this returns.

        What cannot be kept (a value that is no number, such as None or a list; a name or a step that cannot be) is left
        out, and told once of each metric: a training does not end for want of a point.

        Args:
            metrics: metric to value, for names that are no Python names.
            step: integer or float; None numbers the points of each metric from 0.
            values: metric to value.

        Raises:
            Invalid: the run has ended, or what is given has no names.
        """
        try:
            if metrics is None:
                self._journal.log(values, step)
            elif values:
                self._journal.log({**metrics, **values}, step)
            else:
                self._journal.log(metrics, step)
        except (TypeError, AttributeError):  # looked at afterwards, as this is called more often than anything else
            if metrics is None or isinstance(metrics, Mapping):
                raise
            raise Invalid(f"{metrics!r} has no name: log takes metrics by name", hint="run.log(loss=0.5)") from None

    def params(self, params: Mapping[str, object] | None = None, /, **values: object) -> dict[str, Scalar]:
        """Record parameters, and return all of the run. Nested mappings become dotted names.

        Raises:
            Conflict: one has another value already.
        """
        self._check_open()
        flat = flat_params({**(params or {}), **values})
        if flat:
            self._run = self._runs.describe(self.id, params=flat)
        return dict(self._run.params)

    def tag(self, tags: Mapping[str, str] | None = None, /, **values: str) -> dict[str, str]:
        """Set tags, replacing those of the same name, and return all of the run."""
        self._check_open()
        given = {key: str(value) for key, value in {**(tags or {}), **values}.items()}
        if given:
            self._run = self._runs.describe(self.id, tags=given)
        return dict(self._run.tags)

    def save(self, path: str | Path, value: object = None) -> Artifact | list[Artifact]:
        """Keep a file of the run; it survives *power* when this returns.

        Args:
            path: with a value: the artifact's name, whose suffix chooses the form. Without: a file or folder to keep
                under its own name.
            value: see `clew.tracking.artifact.content_of`.

        Returns:
            The artifact; for a folder all of them.

        Raises:
            Invalid: the name leads out of the run, or the value has no form.
        """
        self._check_open()
        if value is not None:
            name = check_path(str(path))
            return self._keep(name, content_of(name, value))
        source = Path(path)
        if source.is_dir():
            return [self._keep(name, content_of(name, file)) for name, file in files_of(source)]
        if not source.is_file():
            raise Invalid(f"{source} is neither a file nor a folder", hint="run.save(name, value) keeps a value")
        name = check_path(source.name)
        return self._keep(name, content_of(name, source))

    def _log_system(self, values: dict[str, float]) -> None:
        with contextlib.suppress(Invalid):  # the run has ended meanwhile
            self._journal.log_at(values, None, time.time_ns())

    def feed_console(self, stream: str, text: str) -> None:
        """Add to the console of the run what was printed elsewhere, on `stdout` or `stderr`."""
        if self._console is not None:
            self._console.feed(stream, text)

    def note(self, text: str) -> None:
        """Say in a few words what this run is about."""
        self.tag(note=text)

    def _check_open(self) -> None:
        if self._over:
            raise Conflict(f"run {self.name} has ended", hint="clew.run(id=…, resume=True) lets it go on")

    def _beat(self) -> None:
        """Give a sign of life where the project is elsewhere, and look whether somebody wants this run to stop."""
        far, recorder = self._line.posted, self._line.recorder
        found = recorder.runs.get(self.id) if far is None else far.beat(self.id)
        asked = found.tags.get(STOP_TAG, "")
        if asked and not self._stopped and not self._over:
            self._stopped = asked
            if not self._ends:  # also when this process has left the run, its launcher knows that it was told
                with contextlib.suppress(OSError):
                    (self._journal.folder / STOPPED).touch()
            self._tell(f"{asked} asks run {self.name} to stop")
            self.on_stop()

    def _keep(self, path: str, content: Content, logged: Logged = NOT_LOGGED) -> Artifact:
        return keep(self._runs, self._objects, self.id, path, content, at_us=self._clock.now_us(), logged=logged)

    def log_object(self, key: str, value: object, *, step: Step | None = None) -> Artifact:
        """Keep what a step shows: `run.log_object("samples", image, step=3)`; it survives *power* when this returns.

        Args:
            key: its name; the same key and step replace.
            value: image, figure, table, text, `clew.Histogram`, `clew.Audio` or `clew.Html`; see
                `clew.tracking.logged.shown_of`.
            step: integer or float; None numbers the objects of each key that this process logs from 0.

        Raises:
            Invalid: the key leads out of the run, the step is not finite, or the value has no form.
        """
        self._check_open()
        shown = shown_of(key, value)
        at = self._counted.get(key, 0) if step is None else check_step(step)
        path = path_of(key, at, shown.suffix)
        if step is None:
            self._counted[key] = int(at) + 1
        content = Content(shown.data, shown.media_type)
        return self._keep(path, content, Logged(key, float(at), shown.form))

    def input(self, source: DatasetVersion | ModelVersion | Node) -> None:
        """Say that this run used a version, or any node of the lineage."""
        self._runs.link(self.id, _node(source), Role.INPUT)

    def output(self, target: DatasetVersion | ModelVersion | Node) -> None:
        """Say that this run made a version, or any node of the lineage."""
        self._runs.link(self.id, _node(target), Role.OUTPUT)

    def flush(self) -> None:
        """Bring all points that this process has logged so far into the ledger.

        Raises:
            ClewError: it takes none now; they are still in the journal.
        """
        if os.getpid() == self._pid:
            self._drain.flush()
        elif self._journal.pending:
            stored, unsafe = self._drain_child(), self._journal.count_unsafe()
            if unsafe:
                what = f"there is no room in {self._journal.folder} for {counted(unsafe, 'points')} of this process"
                raise Unavailable(what, hint="they are in its memory, and end with it")
            if not stored:
                what = f"the points of this process cannot be stored now; they stay in {self._journal.folder}"
                raise Unavailable(what, hint="they come home with the end of the run")

    def finish(self, status: RunStatus = RunStatus.FINISHED, *, reason: str = "") -> None:
        """End the run; all of it survives *power* then. Ending twice is fine.

        When the ledger is out of reach, that is said, and the journal waits to be brought home.
        """
        if self._over:
            return
        self._over = True
        if self._watch is not None:
            self._watch.stop()
        atexit.unregister(self._end_of_process)
        self._stop_console()
        if os.getpid() != self._pid:
            if lost := self._journal.dropped + self._journal.count_unsafe():
                self._say(f"{counted(lost, 'points')} of run {self.name} lost: there was no room")
            self._line.close(delete=False)
            return
        if self._ends:
            await_ranks(self._journal)
        if self._journal.refused:
            self._say(f"{counted(self._journal.refused, 'points')} of run {self.name} could not be logged: see above")
        ending = Ending(status=status, ended_us=self._clock.now_us(), reason=reason)
        self._run, self._left = finish(
            self._line,
            self._drain,
            self._run,
            ending,
            ends=self._ends,
            again=self._again,
            keep=self._keep_last,
        )

    def _drain_child(self) -> bool:
        return drain_child(self.recorder.runs.append, self._journal.folder, self._journal.id)

    def _drain_children(self) -> None:
        """Store what children of the processes of this run have logged so far, whether they live or not."""
        drain_children(self.recorder.runs.append, self._journal.folder)

    def _keep_last(self) -> Path | None:
        self._keep_console()
        self._keep_cells()
        return self._console.path if self._console is not None else None

    def _keep_console(self) -> None:
        if self._console is None:
            return
        self._console.close()
        try:
            if self._console.path.stat().st_size:
                self._keep(self._console.path.name, Content(self._console.path, "text/plain"))
        except FileNotFoundError:
            self._say(f"what run {self.name} printed is lost: somebody removed {self._console.path}")

    def _keep_cells(self) -> None:
        """Keep the cells that were executed so far, when there are more than before."""
        if self._cells is None or (sources := executed_cells()) == self._cells:
            return
        self._cells, cells = sources, take_cells(sources)
        for left in cells.left_out:
            self._say(f"not kept with the cells of this run: {left}")
        self._keep(CELLS, Content(cells.text.encode(errors="replace"), "text/x-python"))

    @property
    def is_over(self) -> bool:
        """Whether it has ended for this process."""
        return self._over

    @property
    def is_left(self) -> bool:
        """Whether it has ended and some of it waits on this machine."""
        return self._left

    def _end_of_process(self) -> None:
        if os.getpid() != self._pid:
            return
        self._journal.end_quietly()
        error = _uncaught()
        self._end(error if error is not self._error_before and not in_notebook() else None)

    def _end(self, error: BaseException | None) -> None:
        status, reason = ending_of(error)
        if self._stopped and status is RunStatus.INTERRUPTED:
            reason = f"stopped by {self._stopped}"
        self.finish(status, reason=reason)

    def __enter__(self) -> ActiveRun:
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            with contextlib.suppress(ValueError):  # it began in another context, as fixtures of asyncio may
                _current.reset(self._token)
            self._token = None
        self._end(error)

    def __repr__(self) -> str:
        return f"<run {self.name} {self.id}>"

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        words = [("status", self._run.status), *self._run.params.items(), *self._run.tags.items()]
        rows = "".join(f"<tr><th>{escape(str(key))}</th><td>{escape(str(value))}</td></tr>" for key, value in words)
        title = f"run <b>{escape(self.name)}</b> <code>{self.id}</code>"
        return f"<div>{title}<table>{rows}</table><code>clew runs show {escape(self.name)}</code></div>"


def _uncaught() -> BaseException | None:
    error: BaseException | None = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    return error


def _node(given: DatasetVersion | ModelVersion | Node) -> Node:
    if isinstance(given, DatasetVersion):
        return node("data", given.id)
    if isinstance(given, ModelVersion):
        return node("model", given.id)
    kind, colon, name = given.partition(":")
    if not (kind and colon and name):
        raise Invalid(f"{given!r} is no node", hint="give a version, or 'kind:id'")
    return given
