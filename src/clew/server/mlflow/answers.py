"""What is answered of experiments, runs and metrics: dictionaries in the words of MLflow's clients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from clew.core.ids import is_id
from clew.core.types.edge import Role
from clew.core.types.run import Experiment, Run, RunStatus
from clew.core.types.run_input import RunInput
from clew.core.types.series import LastPoint
from clew.server.mlflow.call import experiment_name

__all__ = [
    "LARGEST",
    "STATUSES",
    "Json",
    "artifact_root",
    "experiment_root",
    "info_of",
    "key_values",
    "number_of",
    "parent_of",
    "tags_of",
    "tell_experiment",
    "tell_metric",
    "tell_run",
]

Json = dict[str, object]
LARGEST = 1.7976931348623157e308
"""What stands for infinity, which MLflow's own databases cannot hold."""
_LAST_STEP = (1 << 63) - 1
"""The greatest that clients read; summaries of series keep steps as floats, which round it up."""
NAME_TAG, PARENT_TAG, USER_TAG = "mlflow.runName", "mlflow.parentRunId", "mlflow.user"
SOURCE_TAG, COMMIT_TAG = "mlflow.source.name", "mlflow.source.git.commit"
STATUSES = {
    RunStatus.RUNNING: "RUNNING",
    RunStatus.FINISHED: "FINISHED",
    RunStatus.FAILED: "FAILED",
    RunStatus.KILLED: "KILLED",
    RunStatus.LOST: "KILLED",
    RunStatus.INTERRUPTED: "KILLED",
}


def number_of(value: float) -> float | str:
    """A number as JSON of MLflow has it: NaN as a text, infinity as the greatest float."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else math.copysign(LARGEST, value)


def key_values(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags or parameters as a list."""
    return [{"key": key, "value": value} for key, value in values.items()]


def experiment_root(experiment: Experiment) -> str:
    """Where the runs of an experiment keep their files."""
    return experiment.location or f"mlflow-artifacts:/{experiment.number}"


def artifact_root(experiment: Experiment, run: str) -> str:
    """Where a run keeps its files."""
    return f"{experiment_root(experiment).rstrip('/')}/{run}/artifacts"


def tell_experiment(experiment: Experiment) -> Json:
    """An experiment."""
    return {
        "experiment_id": str(experiment.number),
        "name": experiment_name(experiment),
        "artifact_location": experiment_root(experiment),
        "lifecycle_stage": "deleted" if experiment.deleted_us else "active",
        "creation_time": experiment.created_us // 1000,
        "last_update_time": (experiment.updated_us or experiment.created_us) // 1000,
        "tags": key_values(experiment.tags),
    }


def tags_of(run: Run) -> dict[str, str]:
    """A run's tags, with those that MLflow's clients expect and clew keeps in fields of their own."""
    tags = dict(run.tags)
    tags[NAME_TAG] = run.name
    if run.parent:
        tags.setdefault(PARENT_TAG, run.parent)
    return tags


def parent_of(tags: Mapping[str, str]) -> str:
    """The run that a tag names as the parent, if it names one."""
    parent = tags.get(PARENT_TAG, "")
    return parent if is_id(parent) else ""


def info_of(run: Run, experiment: Experiment) -> Json:
    """What a run is, without what it recorded."""
    info: Json = {
        "run_uuid": run.id,
        "run_id": run.id,
        "run_name": run.name,
        "experiment_id": str(experiment.number),
        "user_id": run.tags.get(USER_TAG, run.created_by),
        "status": STATUSES[run.status],
        "start_time": run.created_us // 1000,
        "artifact_uri": artifact_root(experiment, run.id),
        "lifecycle_stage": "deleted" if run.deleted_us else "active",
    }
    if run.ended_us:
        info["end_time"] = run.ended_us // 1000
    return info


def tell_metric(point: LastPoint) -> Json:
    """The last point of a series."""
    value = point.value
    return {
        "key": point.key,
        "value": value if math.isfinite(value) else number_of(value),  # written out: a page of runs has many
        "timestamp": point.time_us // 1000,
        "step": min(int(point.step), _LAST_STEP),
        "run_id": point.run,
    }


def tell_run(run: Run, experiment: Experiment, metrics: Iterable[LastPoint], inputs: Sequence[RunInput]) -> Json:
    """A run with its parameters, tags, last metrics, inputs and outputs."""
    texts = [
        {"key": key, "value": value if type(value) is str else str(value)}  # as `text_of`; a page of runs has many
        for key, value in run.params.items()
    ]
    data = {"metrics": list(map(tell_metric, metrics)), "params": texts, "tags": key_values(tags_of(run))}
    used, made = _tell_inputs(inputs) if inputs else ({}, {})
    return {"info": info_of(run, experiment), "data": data, "inputs": used, "outputs": made}


def _tell_inputs(inputs: Sequence[RunInput]) -> tuple[Json, Json]:
    """What a run used, and what it made; what there is none of is left out, as MLflow's server does."""
    came_in = [each for each in inputs if each.role is not Role.OUTPUT]
    used: Json = {
        "dataset_inputs": [_tell_input(each) for each in came_in if not each.model],
        "model_inputs": [{"model_id": each.model} for each in came_in if each.model],
    }
    made = [{"model_id": each.model, "step": each.step} for each in inputs if each.role is Role.OUTPUT]
    return {name: told for name, told in used.items() if told}, {"model_outputs": made} if made else {}


def _tell_input(each: RunInput) -> Json:
    dataset = {"name": each.name, "digest": each.digest, "source_type": each.kind, "source": each.source}
    dataset |= {name: value for name, value in (("schema", each.schema), ("profile", each.profile)) if value}
    return {"tags": key_values(each.tags), "dataset": dataset}
