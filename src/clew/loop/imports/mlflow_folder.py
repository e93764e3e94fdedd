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
from clew.core.types.model import Model
from clew.core.types.run import Experiment
from clew.core.types.run_input import RunInput
from clew.loop.imports.foreign import ForeignFile, ForeignLogged, ForeignModel, ForeignRun
from clew.loop.imports.mlflow_files import MlflowFiles, below
from clew.loop.imports.mlflow_words import (
    DELETED,
    LOGGED_STATUSES,
    dataset_input,
    experiment_name,
    model_input,
    model_version,
    points_of_rows,
    run_of,
    us,
)

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
        self._experiments = [(path, _read(path / _META)) for path in self._folders()]
        if not self._experiments:
            raise Invalid(
                f"{root} is no folder of MLflow: it has no experiments",
                hint="name the folder mlruns itself, a database as sqlite:///FILE, or a server as http://HOST:PORT",
            )

    def close(self) -> None:
        """Nothing is open."""

    def counts(self) -> dict[str, int]:
        metrics = [file for run in self._runs() for file in _within(run / "metrics")]
        return {
            "experiments": len(self._experiments),
            "runs": len(self._runs()),
            "params": sum(len(_within(run / "params")) for run in self._runs()),
            "series": len(metrics),
            "points": sum(len(file.read_text(encoding="utf-8").splitlines()) for file in metrics),
        }

    def experiments(self) -> list[Experiment]:
        return [
            Experiment(
                id="",
                project="",
                name=experiment_name(str(meta["name"])),
                created_us=us(meta.get("creation_time")) or 1,
                tags=_values(path / "tags"),
                updated_us=us(meta.get("last_update_time")),
                deleted_us=us(meta.get("last_update_time")) or 1 if path.parent.name == _TRASH else 0,
            )
            for path, meta in self._experiments
        ]

    def runs(self) -> Iterator[ForeignRun]:
        for path, meta in self._experiments:
            for run in _children(path):
                if (run / _META).is_file() and run.name not in (_MODELS, _DATASETS):
                    yield self._run(run, _read(run / _META), experiment_name(str(meta["name"])))

    def logged_models(self) -> Iterator[ForeignLogged]:
        for path, meta in self._experiments:
            for model in _children(path / _MODELS):
                found = _read(model / _META)
                files = self._kept(model / "artifacts", found.get("artifact_location"))
                yield ForeignLogged(_logged(model, found), experiment_name(str(meta["name"])), files)

    def models(self) -> Iterator[ForeignModel]:
        for path in _children(self._root / _MODELS):
            if not (path / _META).is_file():
                continue
            meta = _read(path / _META)
            model = Model(
                id="",
                project="",
                name=str(meta["name"]),
                created_us=us(meta.get("creation_timestamp")),
                description=str(meta.get("description") or ""),
                tags=_values(path / "tags"),
                updated_us=us(meta.get("last_updated_timestamp")),
            )
            folders = sorted(path.glob("version-*"), key=lambda each: int(each.name.removeprefix("version-")))
            rows = [(_version(_read(each / _META)), _values(each / "tags")) for each in folders]
            made = [model_version(row, tags) for row, tags in rows if row.get("current_stage") != DELETED]
            aliases = {alias: int(number) for alias, number in _values(path / "aliases").items()}
            yield ForeignModel(model, tuple(made), aliases)

    def _run(self, path: Path, meta: dict[str, Any], experiment: str) -> ForeignRun:
        run_id = str(meta.get("run_id") or meta["run_uuid"])
        status = meta["status"]
        run = run_of(
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
            series=points_of_rows(_lines(path / "metrics")),
            inputs=tuple(_inputs(path, run_id)),
            files=self._kept(path / "artifacts", meta.get("artifact_uri")),
        )

    def _kept(self, folder: Path, address: object) -> partial[Iterator[ForeignFile]]:
        """Files beside the rest, as a folder that was moved still has them; else where they are said to be."""
        if folder.is_dir() or not address:
            return partial(below, folder)
        return partial(self._files.at, str(address))

    def _folders(self) -> list[Path]:
        found = [*_children(self._root), *_children(self._root / _TRASH)]
        return [path for path in found if (path / _META).is_file() and path.name != _MODELS]

    def _runs(self) -> list[Path]:
        return [
            run
            for path, _ in self._experiments
            for run in _children(path)
            if (run / _META).is_file() and run.name not in (_MODELS, _DATASETS)
        ]


def _inputs(path: Path, run: str) -> Iterator[RunInput]:
    for each in _children(path / "inputs"):
        meta = _read(each / _META)
        source = str(meta["source_id"])
        if meta["source_type"] == "DATASET":
            yield dataset_input(run, _read(path.parent / _DATASETS / source / _META), meta.get("tags") or {})
        else:
            yield model_input(run, str(meta["destination_id"]), output=False, step=0)
    for each in _children(path / "outputs"):
        meta = _read(each / _META)
        yield model_input(run, str(meta["destination_id"]), output=True, step=int(meta.get("step") or 0))


def _logged(path: Path, meta: dict[str, Any]) -> LoggedModel:
    metrics: list[LoggedMetric] = []
    for key, time, step, value, _ in _lines(path / "metrics"):
        metrics.append(
            LoggedMetric(key=key, value=value, step=step, time_us=time * 1000, run=meta["source_run_id"] or "")
        )
    return LoggedModel(
        id=str(meta["model_id"]),
        project="",
        experiment="",
        name=str(meta["name"]),
        status=LOGGED_STATUSES[meta["status"]],
        created_us=us(meta["creation_timestamp"]),
        run=str(meta.get("source_run_id") or ""),
        type=str(meta.get("model_type") or ""),
        reason=str(meta.get("status_message") or ""),
        params=_values(path / "params"),
        tags=_values(path / "tags"),
        metrics=tuple(metrics),
        updated_us=us(meta.get("last_updated_timestamp")),
        deleted_us=us(meta.get("last_updated_timestamp")) or 1 if meta.get("lifecycle_stage") == "deleted" else 0,
    )


def _version(meta: dict[str, Any]) -> dict[str, Any]:
    """The row of a version, in the names of the database."""
    return meta | {"creation_time": meta["creation_timestamp"], "last_updated_time": meta["last_updated_timestamp"]}


def _lines(folder: Path) -> Iterator[tuple[str, int, int, float, bool]]:
    """Points from files of lines `time value step`; older ones lack the step."""
    for file in _within(folder):
        key = file.relative_to(folder).as_posix()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                time, value, *rest = line.split(" ")
                number_of = float(value)
                yield key, int(time), int(rest[0]) if rest else 0, number_of, number_of != number_of
            except ValueError as error:
                raise Corrupt(f"{file}:{number} is no point of a metric: {line[:80]!r}") from error


def _values(folder: Path) -> dict[str, str]:
    """A file for each key, with its value; keys may have slashes."""
    return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in _within(folder)}


def _within(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def _children(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _read(file: Path) -> dict[str, Any]:
    try:
        return msgspec.yaml.decode(file.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError) as error:
        raise Corrupt(f"{file} cannot be read: {error}", hint="mend or remove the folder that it is in") from error
