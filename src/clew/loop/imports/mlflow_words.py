"""What MLflow's words, numbers and tags mean here; shared by the readers of its database, folder and server."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from clew.core.ids import Digest, is_id
from clew.core.types.edge import Role
from clew.core.types.logged_model import LoggedModel, LoggedModelStatus
from clew.core.types.model import Model, ModelVersion
from clew.core.types.run import DEFAULT_EXPERIMENT, Experiment, Run, RunKind, RunStatus
from clew.core.types.run_input import RunInput
from clew.tracking.names import name_of
from clew.tracking.params import scalar_of_text
from clew.tracking.series import Points

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "DELETED",
    "dataset_input",
    "experiment_name",
    "experiment_of",
    "logged_model_of",
    "model_input",
    "model_of",
    "model_version_of",
    "points_of_rows",
    "run_of",
    "us",
]

Row = Mapping[str, object]
"""With MLflow's names, which are not the same in its database, its folder and its server: `_MADE` and `_CHANGED`."""

DELETED = "Deleted_Internal"
"""The stage of a version that was deleted, where its row stays."""

_LARGEST = 1.7976931348623157e308
"""What stands for infinity in MLflow's databases."""

_STATUSES = {
    "RUNNING": RunStatus.RUNNING,
    "SCHEDULED": RunStatus.RUNNING,
    "FINISHED": RunStatus.FINISHED,
    "FAILED": RunStatus.FAILED,
    "KILLED": RunStatus.KILLED,
}
_LOGGED_STATUSES = {
    "1": LoggedModelStatus.PENDING,
    "2": LoggedModelStatus.READY,
    "3": LoggedModelStatus.FAILED,
    "LOGGED_MODEL_PENDING": LoggedModelStatus.PENDING,
    "LOGGED_MODEL_READY": LoggedModelStatus.READY,
    "LOGGED_MODEL_UPLOAD_FAILED": LoggedModelStatus.FAILED,
}
_MADE = ("creation_time", "creation_timestamp", "creation_timestamp_ms")
_CHANGED = ("last_update_time", "last_updated_time", "last_updated_timestamp", "last_updated_timestamp_ms")


def us(milliseconds: object) -> int:
    """Microseconds; 0 for a time that is not known."""
    return int(milliseconds) * 1000 if isinstance(milliseconds, int | float | str) and milliseconds else 0


def experiment_name(name: str) -> str:
    """MLflow's `Default` is the `default` of clew."""
    return DEFAULT_EXPERIMENT if name == "Default" else name


def experiment_of(row: Row, tags: Mapping[str, str]) -> Experiment:
    """An experiment."""
    return Experiment(
        id="",
        project="",
        name=experiment_name(str(row["name"])),
        created_us=_time_us(row, _MADE) or 1,
        tags=dict(tags),
        updated_us=_time_us(row, _CHANGED),
        deleted_us=_deleted_us(row),
    )


def run_of(
    id: str,
    *,
    name: str,
    status: str,
    user: str,
    times: Sequence[object],
    params: Mapping[str, str],
    tags: Mapping[str, str],
    deleted: bool,
) -> Run:
    """A run.

    Args:
        id: its id, which stays.
        name: its name; the tag `mlflow.runName`, or one made from the id, when it is empty.
        status: in MLflow's words.
        user: who started it, where no tag says so.
        times: when it began, ended, and was deleted, in milliseconds.
        params: parameters, as the texts that they are there.
        tags: all tags, MLflow's own too, which stay tags.
        deleted: whether it lies in MLflow's trash.
    """
    began, ended, gone = (us(time) for time in times)
    found = _STATUSES.get(status, RunStatus.RUNNING)
    parent = tags.get("mlflow.parentRunId", "")
    kept = {key: value for key, value in tags.items() if key != "mlflow.runName"}
    over = found is not RunStatus.RUNNING
    return Run(
        id=id,
        project="",
        experiment="",
        name=name or tags.get("mlflow.runName", "") or name_of(id),
        kind=RunKind.NOTEBOOK if tags.get("mlflow.source.type") == "NOTEBOOK" else RunKind.SCRIPT,
        status=found,
        created_us=began,
        created_by=tags.get("mlflow.user", "") or user,
        ended_us=(ended or began) if over else 0,
        parent=parent if is_id(parent) else "",
        params={key: scalar_of_text(text) for key, text in params.items()},
        tags=kept,
        entry=tags.get("mlflow.source.name", ""),
        commit=tags.get("mlflow.source.git.commit", ""),
        deleted_us=(gone or ended or began or 1) if deleted else 0,
    )


def points_of_rows(rows: Iterable[Sequence[object]]) -> dict[str, Points]:
    """Series by key, in the order of time, from rows of key, milliseconds, step, value, and whether it is NaN."""
    import numpy as np

    by_key: dict[str, tuple[list[object], ...]] = {}
    for key, *values in rows:
        columns = by_key.setdefault(str(key), ([], [], [], []))
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    found: dict[str, Points] = {}
    for key, (times, steps, numbers, nans) in by_key.items():
        found[key] = _ordered(
            np.array(steps, dtype=np.int64),
            np.array(times, dtype=np.int64) * 1000,
            _values(np.array(numbers, dtype=np.float64), np.array(nans, dtype=bool)),
        )
    return found


def _ordered(steps: NDArray[np.int64], times: NDArray[np.int64], values: NDArray[np.float64]) -> Points:
    import numpy as np

    order = np.lexsort((steps, times))
    return Points(steps[order], times[order], values[order])


def _values(numbers: NDArray[np.float64], nans: NDArray[np.bool_]) -> NDArray[np.float64]:
    numbers[nans] = math.nan
    numbers[numbers >= _LARGEST] = math.inf
    numbers[numbers <= -_LARGEST] = -math.inf
    return numbers


def dataset_input(run: str, row: Row, tags: Mapping[str, str]) -> RunInput:
    """A dataset that flowed into a run."""
    return RunInput(
        run=run,
        role=Role.INPUT,
        name=_text(row, "name"),
        digest=_text(row, "digest"),
        kind=_text(row, "source_type"),
        source=_text(row, "source"),
        schema=_text(row, "schema"),
        profile=_text(row, "profile"),
        tags=dict(tags),
    )


def model_input(run: str, model: str, *, output: bool, step: int) -> RunInput:
    """A logged model that flowed into a run, or came out of it."""
    return RunInput(run=run, role=Role.OUTPUT if output else Role.INPUT, model=model, step=step)


def logged_model_of(row: Row, *, params: Mapping[str, str], tags: Mapping[str, str]) -> LoggedModel:
    """A logged model."""
    return LoggedModel(
        id=_text(row, "model_id"),
        project="",
        experiment="",
        name=_text(row, "name"),
        status=_LOGGED_STATUSES.get(_text(row, "status"), LoggedModelStatus.PENDING),
        created_us=_time_us(row, _MADE),
        run=_text(row, "source_run_id"),
        type=_text(row, "model_type"),
        reason=_text(row, "status_message"),
        params=dict(params),
        tags=dict(tags),
        updated_us=_time_us(row, _CHANGED),
        deleted_us=_deleted_us(row),
    )


def model_of(row: Row, tags: Mapping[str, str]) -> Model:
    """A registered model."""
    return Model(
        id="",
        project="",
        name=_text(row, "name"),
        created_us=_time_us(row, _MADE),
        description=_text(row, "description"),
        tags=dict(tags),
        updated_us=_time_us(row, _CHANGED),
    )


def model_version_of(row: Row, tags: Mapping[str, str]) -> ModelVersion:
    """A version of a registered model."""
    source = _text(row, "source")
    logged = source.removeprefix("models:/") if source.startswith("models:/m-") else ""
    stage = _text(row, "current_stage")
    return ModelVersion(
        id="",
        model="",
        name=_text(row, "name"),
        number=int(str(row["version"])),
        package=Digest(""),
        run=_text(row, "run_id"),
        created_us=_time_us(row, _MADE),
        created_by=_text(row, "user_id"),
        message=_text(row, "description"),
        tags=dict(tags),
        stage="" if stage == "None" else stage,
        source=source,
        storage=_text(row, "storage_location") or source,
        logged=_text(row, "model_id") or logged,
        run_link=_text(row, "run_link"),
        updated_us=_time_us(row, _CHANGED),
    )


def _time_us(row: Row, names: Sequence[str]) -> int:
    return us(next((row[name] for name in names if name in row), None))


def _deleted_us(row: Row) -> int:
    return (_time_us(row, _CHANGED) or 1) if row.get("lifecycle_stage") == "deleted" else 0


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)
