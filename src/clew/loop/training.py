"""Runs of pipelines: a run, a session for its steps, its datasets as inputs, and the models that it returns as
versions."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from clew.core.contracts.services import Services
from clew.core.errors import ClewError, Failed, Invalid, NotFound
from clew.core.types.model import ModelVersion
from clew.core.types.run import RunKind
from clew.core.types.step import StepRun
from clew.data.handle import DatasetHandle
from clew.data.site import Site
from clew.loop.fitted import Model
from clew.loop.worth_metrics import log_worth
from clew.pipelines.pipeline import Pipeline
from clew.pipelines.session import place_over, session
from clew.tracking.recorder import Recorder
from clew.tracking.run import ActiveRun
from clew.tracking.start import start

__all__ = ["About", "Outcome", "load_pipeline", "run_pipeline"]

Register = Callable[[Model, str], ModelVersion]
"""Makes a model that a run returned a version; takes the model and the id of the run."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What a run of a pipeline is called, and where it belongs; the pipeline's name when `name` is empty."""

    kind: RunKind = RunKind.PIPELINE
    name: str = ""
    experiment: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a run of a pipeline gave."""

    run: str
    result: Any
    versions: tuple[ModelVersion, ...]


def run_pipeline(
    project: Services,
    pipeline: Pipeline[..., Any],
    params: Mapping[str, Any],
    *,
    register: Register,
    about: About | None = None,
    workers: int = 0,
    listener: Callable[[StepRun], None] | None = None,
) -> Outcome:
    """Run a pipeline as a run of the project, and register the models that it returns.

    Args:
        project: where it runs.
        pipeline: what to run.
        params: its arguments by name; a text for a dataset is a reference.
        register: makes models versions.
        about: what the run is called.
        workers: processes that submitted steps run in.
        listener: is told of each step as it ends.

    Raises:
        Invalid: a parameter is missing or unknown.
        NotFound: a dataset does not exist.
        Failed: a step, or the pipeline itself, raised.
    """
    site, about = Site.over(project), about or About()
    _check(pipeline, params, site)
    given = {key: value.reference if isinstance(value, DatasetHandle) else value for key, value in params.items()}
    logged = {**_defaults(pipeline), **given}
    with start(
        Recorder.over(project),
        about.name or pipeline.name,
        params=logged,
        experiment=about.experiment,
        tags=about.tags,
        kind=about.kind,
        entry=_entry(pipeline),
    ) as run:

        def resolve(reference: str) -> DatasetHandle:
            handle = DatasetHandle(site, site.datasets.resolve(reference))
            run.input(handle.version)
            return handle

        for value in params.values():
            if isinstance(value, DatasetHandle):
                run.input(value.version)
        with session(place_over(project), run.id, resolve=resolve, workers=workers, listener=listener):
            result = _result(pipeline, params)
        versions = tuple(_registered(project, model, run, register) for model in _models(result))
    return Outcome(run=run.id, result=result, versions=versions)


def _check(pipeline: Pipeline[..., Any], params: Mapping[str, Any], site: Site) -> None:
    """Refuse what was given wrong before there is a run that could only fail of it."""
    bound = pipeline.bind(params)
    for name in pipeline.datasets():
        if isinstance(bound.get(name), str):
            site.datasets.resolve(bound[name])


def _result(pipeline: Pipeline[..., Any], params: Mapping[str, Any]) -> Any:
    try:
        return pipeline.run(**params)
    except ClewError:
        raise
    except Exception as error:  # the user's own code, between its steps
        raise Failed(f"the pipeline {pipeline.name} raised {type(error).__name__}: {error}") from error


def _defaults(pipeline: Pipeline[..., Any]) -> dict[str, object]:
    """What its parameters are when nobody says: a run records that too, as the code may say otherwise tomorrow."""
    defaults = {name: parameter.default for name, parameter in pipeline.signature.parameters.items()}
    return {name: value for name, value in defaults.items() if isinstance(value, bool | int | float | str)}


def _registered(project: Services, model: Model, run: ActiveRun, register: Register) -> ModelVersion:
    version = register(model, run.id)
    run.output(version)
    log_worth(project.objects, run, version)
    return version


def _models(result: object) -> list[Model]:
    if isinstance(result, Model):
        return [result]
    if isinstance(result, (list, tuple)):
        return [model for part in result for model in _models(part)]
    if isinstance(result, dict):
        return [model for part in result.values() for model in _models(part)]
    return []


def load_pipeline(entry: str, folder: Path) -> Pipeline[..., Any]:
    """The pipeline that `file.py:function` names, from a folder.

    The file is imported under its own name with its folder first on the path, as Python would import it from there.

    Raises:
        NotFound: there is no such file or function.
        Invalid: the function is no pipeline.
        Failed: the file raised when it was imported; the original is `__cause__`.
    """
    file, _, attribute = entry.partition(":")
    path = (folder / file).resolve()
    if not path.is_file():
        raise NotFound("file", file, hint=f"looked in {folder}")
    module = _import(path)
    found = getattr(module, attribute, None)
    if found is None:
        near = [name for name, value in vars(module).items() if isinstance(value, Pipeline)]
        raise NotFound("pipeline", entry, near=[f"{file}:{name}" for name in near])
    if not isinstance(found, Pipeline):
        raise Invalid(f"{entry} is no pipeline", hint="put @clew.pipeline on the function")
    return found


def _import(path: Path) -> ModuleType:
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise Invalid(f"{path} cannot be imported", hint="name a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code, as it is imported
        del sys.modules[path.stem]
        raise Failed(f"{path.name} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _entry(pipeline: Pipeline[..., Any]) -> str:
    """`file.py:function`, relative to the current folder where it lies below it."""
    code = pipeline.__wrapped__.__code__
    path = Path(code.co_filename)
    try:
        shown = str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        shown = str(path)
    return f"{shown}:{pipeline.__wrapped__.__name__}"
