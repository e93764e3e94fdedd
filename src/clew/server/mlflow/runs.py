"""Runs: create, get, update, delete, restore."""

from __future__ import annotations

import msgspec

from clew.core.contracts.ledger import Durability
from clew.core.types.run import Run, RunKind, RunStatus
from clew.server.mlflow.answers import COMMIT_TAG, NAME_TAG, SOURCE_TAG, Json, info_of, parent_of, tell_run
from clew.server.mlflow.body import KeyValue, need, run_id_of
from clew.server.mlflow.call import Call, active, experiment_of, run_of, within
from clew.server.mlflow.limits import bad_value, checked_tag
from clew.server.mlflow.refusal import invalid
from clew.tracking.names import name_of
from clew.tracking.revise import move_to_trash, restore, revise

__all__ = ["create_run", "delete_run", "get_run", "restore_run", "update_run"]

_STATUSES = {
    "RUNNING": RunStatus.RUNNING,
    "SCHEDULED": RunStatus.RUNNING,
    "FINISHED": RunStatus.FINISHED,
    "FAILED": RunStatus.FAILED,
    "KILLED": RunStatus.KILLED,
    "1": RunStatus.RUNNING,
    "2": RunStatus.RUNNING,
    "3": RunStatus.FINISHED,
    "4": RunStatus.FAILED,
    "5": RunStatus.KILLED,
}


class Create(msgspec.Struct, frozen=True):
    experiment_id: str = ""
    run_name: str = ""
    start_time: int = 0
    user_id: str = ""
    tags: list[KeyValue] = []


class RunId(msgspec.Struct, frozen=True):
    run_id: str = ""
    run_uuid: str = ""


class Update(msgspec.Struct, frozen=True):
    run_id: str = ""
    run_uuid: str = ""
    status: str | int | None = None
    end_time: int | None = None
    run_name: str = ""


def create_run(call: Call, asked: Create) -> Json:
    """Add a run."""
    need(experiment_id=asked.experiment_id)
    stores = call.stores
    tags = dict(checked_tag(tag.key, tag.value) for tag in asked.tags)
    run_id = stores.ids()
    name = _name(run_id, asked.run_name, tags.pop(NAME_TAG, ""))
    with stores.ledger.write(Durability.KILL) as tx:
        experiment = active(experiment_of(tx, call, asked.experiment_id))
        run = Run(
            id=run_id,
            project=stores.project,
            experiment=experiment.id,
            name=name,
            kind=RunKind.SCRIPT,
            status=RunStatus.RUNNING,
            created_us=asked.start_time * 1000 or stores.clock.now_us(),
            created_by=stores.actor,
            parent=parent_of(tags),
            tags=tags,
            entry=tags.get(SOURCE_TAG, ""),
            commit=tags.get(COMMIT_TAG, ""),
        )
        tx.runs.add(run)
        stores.tell(tx, "run.created", within(run_id), {"name": name, "experiment": experiment.name})
    return {"run": tell_run(run, experiment, [], [])}


def _name(run_id: str, given: str, tagged: str) -> str:
    if given and tagged and given != tagged:
        raise invalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with "
            f"different values (run_name='{given}', mlflow.runName='{tagged}')."
        )
    return given or tagged or name_of(run_id)


def get_run(call: Call, asked: RunId) -> Json:
    """One run with what it recorded, also of the trash."""
    run_id = run_id_of(asked)
    with call.stores.ledger.read() as tx:
        run = run_of(tx, call, run_id)
        experiment = tx.experiments.get(run.experiment)
        return {"run": tell_run(run, experiment, tx.series.lasts([run_id]), tx.inputs.list([run_id]))}


def update_run(call: Call, asked: Update) -> Json:
    """Change a run's status, end or name; one that ended goes on when its status becomes RUNNING."""
    run_id = run_id_of(asked)
    status = None
    if asked.status is not None:
        status = _STATUSES.get(str(asked.status).upper())
        if status is None:
            raise invalid(bad_value("status", asked.status))
    stores = call.stores
    with stores.ledger.write(within=within(run_id)) as tx:
        before = active(run_of(tx, call, run_id))
        after = msgspec.structs.replace(before, name=asked.run_name or before.name, status=status or before.status)
        if after.status is RunStatus.RUNNING:
            after = msgspec.structs.replace(after, ended_us=0, reason="")
        else:
            given_us = (asked.end_time or 0) * 1000
            after = msgspec.structs.replace(after, ended_us=given_us or before.ended_us or stores.clock.now_us())
        revise(stores, tx, before, after)
        experiment = tx.experiments.get(after.experiment)
    return {"run_info": info_of(after, experiment)}


def delete_run(call: Call, asked: RunId) -> Json:
    """Move a run into the trash."""
    run_id = run_id_of(asked)
    with call.stores.ledger.write(within=within(run_id)) as tx:
        move_to_trash(call.stores, tx, run_of(tx, call, run_id), now_us=call.stores.clock.now_us())
    return {}


def restore_run(call: Call, asked: RunId) -> Json:
    """Bring a run back from the trash."""
    run_id = run_id_of(asked)
    with call.stores.ledger.write(within=within(run_id)) as tx:
        restore(call.stores, tx, run_of(tx, call, run_id))
    return {}
