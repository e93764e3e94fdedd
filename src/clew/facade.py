"""The public Python API: everything that `import clew` offers. Loaded on first use; what each name needs, later still.

    import clew

    @clew.step
    def fit(table, depth: int) -> clew.Model: ...

    @clew.pipeline
    def train(flights: clew.Dataset, depth: int = 6):
        return fit(flights.frame(), depth)

    train.run(flights="flights@latest", depth=8)

    with clew.run("baseline", params={"lr": 0.1}) as run:
        run.log(loss=0.3, step=1)

Calls act on the project at or above the current folder. A script outside of any project makes one where it runs, and
says so; not in a home folder, the root of the file system, or a folder for temporary files.
"""

from __future__ import annotations

import atexit
import functools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from clew.core.errors import ClewError, Corrupt, Exists, Invalid, Unavailable
from clew.core.numbers import counted
from clew.core.types.step import StepOutcome, StepRun
from clew.data.handle import DatasetHandle as Dataset
from clew.loop.fitted import Model
from clew.loop.worth_metrics import log_worth
from clew.pipelines.current import current
from clew.pipelines.pipeline import Pipeline as _Pipeline
from clew.pipelines.step import step
from clew.tracking.adopt import adopt
from clew.tracking.logged import Audio, Histogram, Html
from clew.tracking.offline import is_offline
from clew.tracking.recorder import Recorder
from clew.tracking.run import ActiveRun
from clew.tracking.start import join_as_child, say_on_stderr, start
from clew.workspace import Workspace, find_project, init_project, offline_here, refuse_shared, remote_root

if TYPE_CHECKING:
    from clew.core.types.model import ModelVersion
    from clew.core.types.run import Run as RunInfo
    from clew.tracking.found import RunList

__all__ = [
    "Audio",
    "ClewError",
    "Dataset",
    "Histogram",
    "Html",
    "Model",
    "Pipeline",
    "Run",
    "Workspace",
    "data",
    "pipeline",
    "run",
    "runs",
    "step",
    "workspace",
]

P = ParamSpec("P")
R = TypeVar("R")

_open: dict[Path, Workspace] = {}
_lock = threading.RLock()
_taken: dict[str, Run] = {}
"""The runs that were handed to this process, by their ids."""


def workspace() -> Workspace:
    """The project at or above the current folder, opened once in a process; made here when there is none."""
    return _workspace(Path.cwd())


def _workspace(here: Path) -> Workspace:
    with _lock:
        root = find_project(here) or remote_root(os.environ) or _make_project(here)
        if root not in _open:
            _open[root] = opened = Workspace(root)
            if not opened.remote:  # which may be gone, and clew sync does it
                adopt(opened.runs, opened.objects, opened.folder)
            atexit.register(_open[root].close)
        return _open[root]


def _make_project(here: Path) -> Path:
    refuse_shared(here, os.environ)
    try:
        init_project(here)
    except Exists:  # a process that started beside this one was faster
        return here
    say_on_stderr(f"made a project in {here / '.clew'} (clew init elsewhere, if this is not the place)")
    return here


def data(reference: str) -> Dataset:
    """One version of a dataset: `clew.data("flights@latest").frame()`.

    Raises:
        NotFound: there is no such dataset or version.
        Invalid: this is no reference.
    """
    from clew.tracking.run import current_run

    if not isinstance(reference, str):
        raise Invalid(f"{reference!r} is no reference to a dataset", hint='clew.data("flights@latest")')
    here = workspace()
    handle = Dataset(here.site, here.datasets.resolve(reference))
    active = current_run()
    if active is not None:
        active.input(handle.version)
    return handle


class Run(ActiveRun):
    """A run of this process; see `clew.run`. It can be handed to processes that this one starts, which log to it."""

    _here: Path
    """The folder in which it began: its project is at or above it, wherever a process that has it goes."""

    def __reduce__(self) -> tuple[Callable[[RunInfo, Path], Run], tuple[RunInfo, Path]]:
        return _handed, (self.info, self._here)

    def save_model(
        self,
        estimator: Any,
        name: str,
        *,
        train: Any,
        test: Any = None,
        label: str = "",
        features: Sequence[str] = (),
        threshold: float | None = None,
        slices: Sequence[str] = (),
    ) -> ModelVersion:
        """Register a fitted model as the next version of `name`; the arguments are those of `clew.Model`.

        Raises:
            Invalid: the estimator is not fitted, or rows, labels and value contract do not fit each other.
            Denied: the project's policy does not allow what the estimator holds.
        """
        model = Model(
            name=name,
            estimator=estimator,
            train=train,
            test=test,
            label=label,
            features=features,
            threshold=threshold,
            slices=slices,
        )
        here = _workspace(self._here)
        if os.getpid() == self._pid:  # that of a child began before it
            self.flush()  # the version names this run, which has to be there
        version = here.register(model, self.id)
        self.output(version)
        log_worth(here.objects, self, version)
        return version


def run(
    name: str | None = "",
    *,
    params: Mapping[str, object] | None = None,
    experiment: str | None = "",
    tags: Mapping[str, str] | None = None,
    capture: bool = True,
    id: str = "",
    resume: bool = False,
    fork: str = "",
) -> Run:
    """Start a run: `with clew.run("baseline", params={"lr": 0.1}) as run: run.log(loss=0.3, step=1)`.

    In a script that `clew run` started, the first call joins its run.

    Args:
        name: without one (or None, as a parser of arguments gives it), the run gets one that a person can say.
        params: recorded at once; nested mappings become dotted names.
        experiment: name of the group, made when there is none.
        tags: free words.
        capture: record source, environment, hardware, seeds, command and console.
        id: of the run that goes on, or the beginning of it, or its name; with `resume`.
        resume: let that run go on: its steps go on, and it is running again.
        fork: `RUN@step`: share the history of that run up to the step.

    Raises:
        Invalid: `id` without `resume`, or the other way round; a name is no text, or parameters have no names.
    """
    name, experiment = ("" if text is None else text for text in (name, experiment))
    for what, text in (("name", name), ("experiment", experiment)):
        if not isinstance(text, str):
            raise Invalid(f"{text!r} cannot be the {what} of a run", hint=f'give a text: clew.run({what}="baseline")')
    for what, words in (("params", params), ("tags", tags)):
        if words is not None and not isinstance(words, Mapping):
            raise Invalid(f"{what} of a run are a {type(words).__name__}", hint=f'give a dict: {what}={{"lr": 0.1}}')
    if bool(id) != resume:
        raise Invalid("id and resume belong together", hint='clew.run(id="baseline", resume=True)')
    here = Path.cwd()
    began = start(
        _recorder(here),
        name,
        params=params,
        experiment=experiment,
        tags=tags,
        capture=capture,
        resume=id,
        fork=fork,
        made=Run,
    )
    started = cast("Run", began)
    started._here = here
    return started


def _handed(info: RunInfo, here: Path) -> Run:
    """A run that another process has handed to this one: one object, though a pool hands it over with every task."""
    with _lock:
        taken = _taken.get(info.id)
        if taken is None or taken.is_over:
            taken = _taken[info.id] = cast("Run", join_as_child(_recorder(here), info, made=Run))
            taken._here = here
        return taken


def _recorder(here: Path) -> Recorder:
    """Where runs go that begin in a folder: the project, or a folder of this machine while it cannot be reached."""
    if not is_offline(os.environ):
        try:
            return _workspace(here).recorder
        except (Corrupt, Unavailable) as error:
            say_on_stderr(f"{error.what}; this run stays on this machine until clew sync")
    return offline_here(here, os.environ)


def runs(*, where: str = "", sort: str = "", experiment: str = "", limit: int | None = 1000) -> RunList:
    """Runs that pass a filter, in an order: `clew.runs(where="metric.auc > 0.7", sort="-metric.auc").frame()`.

    Args:
        where: a filter, in the language of `clew runs list --where`.
        sort: fields with commas between them, `-` before one for the greatest first; newest first when empty.
        experiment: name of the one to look in.
        limit: at most so many; None for all.

    Raises:
        Invalid: a text cannot be read; the error points at the character.
        NotFound: there is no such experiment.
    """
    from clew.tracking.found import find_runs

    here = workspace()
    return find_runs(here.runs, here.objects, where=where, sort=sort, experiment=experiment, limit=limit)


class Pipeline(_Pipeline[P, R]):
    """A function that calls steps; see `clew.pipeline`."""

    def run(self, **params: Any) -> R:
        """Run the pipeline as a run of the project: steps whose results are known are skipped, and models that it
        returns are registered.

        Args:
            params: arguments by name. A text for a parameter of type `Dataset` is a reference such as
                `flights@latest`.

        Raises:
            Invalid: a parameter is missing or unknown.
            NotFound: a dataset does not exist.
            Failed: a step raised.
        """
        if current() is not None:
            return super().run(**params)
        steps: list[StepRun] = []
        done = workspace().run_pipeline(self, params, listener=steps.append)
        cached = sum(step.outcome is StepOutcome.CACHED for step in steps)
        words = [f"{self.name}: {counted(len(steps) - cached, 'steps')} executed, {cached} cached"]
        words += [f"registered {version.reference}" for version in done.versions]
        say_on_stderr("; ".join(words))
        result: R = done.result
        return result


@overload
def pipeline(function: Callable[P, R], /) -> Pipeline[P, R]: ...
@overload
def pipeline(*, name: str = ...) -> Callable[[Callable[P, R]], Pipeline[P, R]]: ...
def pipeline(
    function: Callable[P, R] | None = None, /, *, name: str = ""
) -> Pipeline[P, R] | Callable[[Callable[P, R]], Pipeline[P, R]]:
    """Make a function that calls steps a pipeline.

    Args:
        function: a plain function that calls steps. Parameters annotated as `clew.Dataset` take references.
        name: what its runs are called; the function's own name when empty.
    """
    if function is None:
        return functools.partial(Pipeline, name=name)
    return Pipeline(function, name=name)
