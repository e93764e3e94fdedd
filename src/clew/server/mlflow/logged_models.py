"""Logged models: create, finalize, describe, delete, and the files that they hold."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

import msgspec

from clew.core.contracts.ledger import Durability, Transaction
from clew.core.errors import NotFound
from clew.core.types.edge import Edge, Role, node
from clew.core.types.logged_model import LoggedMetric, LoggedModel, LoggedModelStatus
from clew.core.types.run import Experiment
from clew.server.mlflow.answers import Json, experiment_root, key_values, number_of
from clew.server.mlflow.artifacts import checked_folder, tell_files
from clew.server.mlflow.body import KeyValue, by_key, need
from clew.server.mlflow.call import Call, Empty, active, experiment_of
from clew.server.mlflow.limits import bad_value
from clew.server.mlflow.refusal import invalid, missing
from clew.store.account import artifacts_digest
from clew.store.owner import check_mine
from clew.tracking.names import name_of

__all__ = [
    "add_logged_params",
    "create_logged_model",
    "delete_logged_model",
    "delete_logged_tag",
    "finalize_logged_model",
    "get_logged_model",
    "list_logged_files",
    "logged_model_of",
    "logged_root",
    "put_logged",
    "set_logged_tags",
    "tell_logged",
    "writable",
]

_STATUSES = {
    LoggedModelStatus.PENDING: "LOGGED_MODEL_PENDING",
    LoggedModelStatus.READY: "LOGGED_MODEL_READY",
    LoggedModelStatus.FAILED: "LOGGED_MODEL_UPLOAD_FAILED",
}
_GIVEN = {name: status for status, name in _STATUSES.items()} | {
    "1": LoggedModelStatus.PENDING,
    "2": LoggedModelStatus.READY,
    "3": LoggedModelStatus.FAILED,
}
_NOT_IN_NAMES = "/:.%\"'"


class Create(msgspec.Struct, frozen=True):
    experiment_id: str = ""
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: list[KeyValue] = []
    tags: list[KeyValue] = []


class Finalize(msgspec.Struct, frozen=True):
    status: str | int = ""


class Tags(msgspec.Struct, frozen=True):
    tags: list[KeyValue] = []


class Params(msgspec.Struct, frozen=True):
    params: list[KeyValue] = []


class Get(msgspec.Struct, frozen=True):
    allow_deleted: str = ""


class Folder(msgspec.Struct, frozen=True):
    artifact_directory_path: str = ""


def logged_model_of(tx: Transaction, call: Call, model_id: str, *, deleted: bool = True) -> LoggedModel:
    """A logged model of the project.

    Raises:
        Refusal: there is none, or it was deleted and `deleted` does not want those.
    """
    try:
        found = tx.logged_models.get(model_id)
    except NotFound:
        found = None
    if found is None or found.project != call.stores.project or (found.deleted_us and not deleted):
        raise missing(f"Logged model with ID '{model_id}' not found.")
    return found


def writable(model: LoggedModel) -> LoggedModel:
    """What was found, if it can still change: one that was purged is a record."""
    if model.purged_us:
        raise invalid(f"The logged model {model.id} was purged: its files and metrics are gone, and its record stays.")
    return model


def logged_root(experiment: Experiment, model_id: str) -> str:
    """Where a logged model keeps its files."""
    return f"{experiment_root(experiment).rstrip('/')}/models/{model_id}/artifacts"


def tell_logged(model: LoggedModel, experiment: Experiment, metrics: Sequence[LoggedMetric]) -> Json:
    """A logged model with what was measured of it."""
    info: Json = {
        "model_id": model.id,
        "experiment_id": str(experiment.number),
        "name": model.name,
        "artifact_uri": logged_root(experiment, model.id),
        "creation_timestamp_ms": model.created_us // 1000,
        "last_updated_timestamp_ms": (model.updated_us or model.created_us) // 1000,
        "status": _STATUSES[model.status],
        "tags": key_values(model.tags),
    }
    if model.type:
        info["model_type"] = model.type
    if model.run:
        info["source_run_id"] = model.run
    return {"info": info, "data": {"params": key_values(model.params), "metrics": list(map(_tell_metric, metrics))}}


def _tell_metric(metric: LoggedMetric) -> Json:
    told: Json = {"key": metric.key, "value": number_of(metric.value), "timestamp": metric.time_us // 1000}
    told |= {"step": metric.step, "model_id": metric.model, "run_id": metric.run}
    told |= {"dataset_name": metric.dataset} if metric.dataset else {}
    return told | ({"dataset_digest": metric.digest} if metric.digest else {})


def create_logged_model(call: Call, asked: Create) -> Json:
    """Add a logged model; its files come next."""
    need(experiment_id=asked.experiment_id)
    if any(mark in asked.name for mark in _NOT_IN_NAMES):
        raise invalid(
            f"Invalid model name ({asked.name!r}) provided. Model name must be a non-empty string and cannot contain "
            f"the following characters: {tuple(_NOT_IN_NAMES)}"
        )
    stores = call.stores
    model_id = f"m-{uuid.UUID(stores.ids()).hex}"
    with stores.ledger.write(Durability.KILL) as tx:
        experiment = active(experiment_of(tx, call, asked.experiment_id))
        check_mine(tx, stores.project, [node("run", asked.source_run_id)])
        now_us = stores.clock.now_us()
        model = LoggedModel(
            id=model_id,
            project=stores.project,
            experiment=experiment.id,
            name=asked.name or name_of(model_id[2:]),
            status=LoggedModelStatus.PENDING,
            created_us=now_us,
            updated_us=now_us,
            run=asked.source_run_id,
            type=asked.model_type,
            params=by_key(asked.params),
            tags=by_key(asked.tags),
        )
        tx.logged_models.add(model)
        if asked.source_run_id:
            made = Edge(
                source=node("run", asked.source_run_id),
                target=node("logged", model_id),
                role=Role.OUTPUT,
                run=asked.source_run_id,
                at_us=now_us,
            )
            tx.edges.add([made])
        stores.tell(tx, "model.logged", node("logged", model_id), {"name": model.name, "run": model.run})
    return {"model": tell_logged(model, experiment, [])}


def get_logged_model(call: Call, asked: Get) -> Json:
    """One logged model."""
    with call.stores.ledger.read() as tx:
        model = logged_model_of(tx, call, call.path["model"], deleted=asked.allow_deleted.lower() == "true")
        return {"model": _told(tx, model)}


def _told(tx: Transaction, model: LoggedModel) -> Json:
    return tell_logged(model, tx.experiments.get(model.experiment), tx.logged_models.metrics([model.id]))


def finalize_logged_model(call: Call, asked: Finalize) -> Json:
    """Say that the files of a logged model are there, or will not come."""
    need(status=asked.status)
    status = _GIVEN.get(str(asked.status).upper())
    if status is None:
        raise invalid(bad_value("status", asked.status))
    with call.stores.ledger.write() as tx:
        before = writable(logged_model_of(tx, call, call.path["model"]))
        after = put_logged(tx, call, msgspec.structs.replace(before, status=status))
        facts = {"status": status, "artifacts": artifacts_digest(tx, after.id)}
        call.stores.tell(tx, "model.finalized", node("logged", after.id), facts)
        return {"model": _told(tx, after)}


def delete_logged_model(call: Call, asked: Empty) -> Json:  # noqa: ARG001
    """Move a logged model into the trash."""
    with call.stores.ledger.write() as tx:
        before = writable(logged_model_of(tx, call, call.path["model"]))
        put_logged(tx, call, msgspec.structs.replace(before, deleted_us=call.stores.clock.now_us()))
        call.stores.tell(tx, "model.unlogged", node("logged", before.id), {"name": before.name})
    return {}


def set_logged_tags(call: Call, asked: Tags) -> Json:
    """Set tags."""
    return _rewrite(call, lambda model: {"tags": model.tags | by_key(asked.tags)})


def delete_logged_tag(call: Call, asked: Empty) -> Json:  # noqa: ARG001
    """Take a tag away."""
    key = call.path["key"]

    def without(model: LoggedModel) -> dict[str, object]:
        if key not in model.tags:
            raise missing(f"No tag with key {key!r} found for model with ID {model.id!r}.")
        return {"tags": {name: value for name, value in model.tags.items() if name != key}}

    return _rewrite(call, without)


def add_logged_params(call: Call, asked: Params) -> Json:
    """Add parameters; the same value again is fine."""
    fresh = by_key(asked.params)

    def more(model: LoggedModel) -> dict[str, object]:
        differ = [key for key, value in fresh.items() if model.params.get(key, value) != value]
        if differ:
            raise invalid(
                "Changing param values is not allowed. Params were already logged with other values for "
                f"logged model with ID '{model.id}': {differ}"
            )
        return {"params": model.params | fresh}

    return _rewrite(call, more)


def _rewrite(call: Call, changes: Callable[[LoggedModel], dict[str, object]]) -> Json:
    """Write the logged model of a call with some of its fields anew; nothing to answer."""
    with call.stores.ledger.write(Durability.KILL) as tx:
        before = writable(logged_model_of(tx, call, call.path["model"]))
        tx.logged_models.put(msgspec.structs.replace(before, **changes(before)))
    return {}


def list_logged_files(call: Call, asked: Folder) -> Json:
    """What a logged model keeps in a folder."""
    folder = checked_folder(asked.artifact_directory_path)
    with call.stores.ledger.read() as tx:
        model = logged_model_of(tx, call, call.path["model"], deleted=False)
        root = logged_root(tx.experiments.get(model.experiment), model.id)
        files = tell_files(tx.artifacts.list(model.id, under=folder), folder, whole=True)
    return {"root_uri": root, "files": files}


def put_logged(tx: Transaction, call: Call, after: LoggedModel) -> LoggedModel:
    """Store a changed logged model."""
    after = msgspec.structs.replace(after, updated_us=call.stores.clock.now_us())
    tx.logged_models.put(after)
    return after
