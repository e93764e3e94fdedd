"""Reads an `mlruns` folder, MLflow's store of files. Without MLflow; what is in the trash comes along as trash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from clew.core.errors import Corrupt, Invalid
from clew.core.extras import require
from clew.core.types.logged_model import LoggedMetric, LoggedModel
from clew.core.types.run import Experiment
from clew.core.types.run_input import RunInput
from clew.loop.imports import mlflow_words as words
from clew.loop.imports.foreign import ForeignFile, ForeignLogged, ForeignModel, ForeignRun
from clew.loop.imports.mlflow_files import MlflowFiles, below

__all__ = ["MlflowFolder"]

_META = "meta.yaml"
_STATUSES = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
_TRASH, _MODELS, _DATASETS = ".trash", "models", "datasets"


class MlflowFolder:
    """`clew.loop.imports.foreign.Source` over a folder, which is only read.

    Args:
        root: the folder, usually called `mlruns`.

    Raises:
        Invalid: it holds no experiments.
        MissingExtra: PyYAML is not installed.
    """

    name = "mlflow"

    def __init__(self, root: Path) -> None:
        require("yaml")
        self._root, self._files = root, MlflowFiles(root.absolute().parent)
        self._experiments = list(self._known())
        if not self._experiments:
            raise Invalid(
                f"{root} is no folder of MLflow: it has no experiments",
                hint="name the folder mlruns itself, a database as sqlite:///FILE, or a server as http://HOST:PORT",
            )

    def close(self) -> None:
        """Nothing is open."""

    def counts(self) -> dict[str, int]:
        runs = [run for run, _ in self._runs()]
        metrics = [file for run in runs for file in _within(run / "metrics")]
        return {
            "experiments": len(self._experiments),
            "runs": len(runs),
            "params": sum(len(_within(run / "params")) for run in runs),
            "series": len(metrics),
            "points": sum(len(_text(file).splitlines()) for file in metrics),
        }

    def experiments(self) -> list[Experiment]:
        return [words.experiment_of(meta, _values(path / "tags")) for path, meta in self._experiments]

    def runs(self) -> Iterator[ForeignRun]:
        for path, experiment in self._runs():
            yield self._run(path, _read(path / _META), experiment)

    def logged_models(self) -> Iterator[ForeignLogged]:
        for path, meta in self._experiments:
            for model in _children(path / _MODELS):
                found = _read(model / _META)
                files = self._kept(model / "artifacts", found.get("artifact_location"))
                logged = words.logged_model_of(found, params=_values(model / "params"), tags=_values(model / "tags"))
                name = words.experiment_name(str(meta["name"]))
                yield ForeignLogged(logged, name, tuple(_measured(model, logged)), files)

    def models(self) -> Iterator[ForeignModel]:
        for path in _children(self._root / _MODELS):
            if not (path / _META).is_file():
                continue
            folders = [each for each in path.glob("version-*") if each.name.removeprefix("version-").isdecimal()]
            rows = [(_read(each / _META), _values(each / "tags")) for each in folders]
            made = [words.model_version_of(*each) for each in rows if each[0].get("current_stage") != words.DELETED]
            made.sort(key=lambda version: version.number)
            aliases = {alias: int(number) for alias, number in _values(path / "aliases").items()}
            yield ForeignModel(words.model_of(_read(path / _META), _values(path / "tags")), tuple(made), aliases)

    def _run(self, path: Path, meta: dict[str, Any], experiment: str) -> ForeignRun:
        run_id = str(meta.get("run_id") or meta["run_uuid"])
        status = meta["status"]
        run = words.run_of(
            run_id,
            name=str(meta.get("run_name") or meta.get("name") or ""),
            status=_STATUSES.get(status, str(status)),
            user=str(meta.get("user_id") or ""),
            times=(meta.get("start_time"), meta.get("end_time"), meta.get("deleted_time")),
            params=_values(path / "params"),
            tags=_values(path / "tags"),
            deleted=meta.get("lifecycle_stage") == "deleted",
        )
        return ForeignRun(
            run=run,
            experiment=experiment,
            series=words.points_of_rows(_lines(path / "metrics")),
            inputs=tuple(_inputs(path, run_id)),
            files=self._kept(path / "artifacts", meta.get("artifact_uri")),
        )

    def _kept(self, folder: Path, address: object) -> partial[Iterator[ForeignFile]]:
        """Files beside the rest, as a folder that was moved still has them; else where they are said to be."""
        if folder.is_dir() or not address:
            return partial(below, folder)
        return partial(self._files.at, str(address))

    def _known(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The folder of every experiment, and what is said of it."""
        for path in [*_children(self._root), *_children(self._root / _TRASH)]:
            if (path / _META).is_file() and path.name != _MODELS:
                stage = "deleted" if path.parent.name == _TRASH else "active"
                yield path, _read(path / _META) | {"lifecycle_stage": stage}

    def _runs(self) -> Iterator[tuple[Path, str]]:
        """The folder of every run, and the name of its experiment."""
        for path, meta in self._experiments:
            for run in _children(path):
                if (run / _META).is_file() and run.name not in (_MODELS, _DATASETS):
                    yield run, words.experiment_name(str(meta["name"]))


def _inputs(path: Path, run: str) -> Iterator[RunInput]:
    for each in _children(path / "inputs"):
        meta = _read(each / _META)
        source = str(meta["source_id"])
        if meta["source_type"] == "DATASET":
            yield words.dataset_input(run, _read(path.parent / _DATASETS / source / _META), meta.get("tags") or {})
        else:
            yield words.model_input(run, str(meta["destination_id"]), output=False, step=0)
    for each in _children(path / "outputs"):
        meta = _read(each / _META)
        yield words.model_input(run, str(meta["destination_id"]), output=True, step=int(meta.get("step") or 0))


def _measured(path: Path, model: LoggedModel) -> Iterator[LoggedMetric]:
    for key, time, step, value, _ in _lines(path / "metrics"):
        yield LoggedMetric(model=model.id, key=key, value=value, step=step, time_us=time * 1000, run=model.run)


def _lines(folder: Path) -> Iterator[tuple[str, int, int, float, bool]]:
    """Points from files of lines `time value step`; older ones lack the step."""
    for file in _within(folder):
        key = file.relative_to(folder).as_posix()
        for number, line in enumerate(_text(file).splitlines(), 1):
            try:
                time, value, *rest = line.split(" ")
                number_of = float(value)
                yield key, int(time), int(rest[0]) if rest else 0, number_of, number_of != number_of
            except ValueError as error:
                raise Corrupt(f"{file}:{number} is no point of a metric: {line[:80]!r}") from error


def _values(folder: Path) -> dict[str, str]:
    """A file for each key, with its value; keys may have slashes."""
    return {file.relative_to(folder).as_posix(): _text(file) for file in _within(folder)}


def _within(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _children(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(file, error) from error


def _read(file: Path) -> dict[str, Any]:
    try:
        return msgspec.yaml.decode(file.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> Corrupt:
    return Corrupt(f"{file} cannot be read: {error}", hint="mend or remove the folder that it is in")
