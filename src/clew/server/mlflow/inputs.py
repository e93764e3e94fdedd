"""What runs used and made: datasets as their own tools name them, and logged models."""

from __future__ import annotations

import msgspec

from clew.core.contracts.ledger import Durability
from clew.core.types.edge import Role, node
from clew.core.types.run_input import RunInput
from clew.loop.care.experiment_trash import runs_in
from clew.server.mlflow.answers import Json
from clew.server.mlflow.body import KeyValue, by_key, need
from clew.server.mlflow.call import Call, active, experiment_of, run_of
from clew.server.mlflow.limits import check_length
from clew.server.mlflow.refusal import invalid
from clew.store.owner import check_mine
from clew.tracking.run_inputs import link_inputs, unknown_inputs

__all__ = ["log_inputs", "log_outputs", "search_datasets"]

_CONTEXT = "mlflow.data.context"
_MOST_DATASETS, _MOST_EXPERIMENTS, _MOST_SUMMARIES = 1000, 20, 1000
_NAME, _DIGEST, _SCHEMA, _SOURCE, _PROFILE, _TAG_KEY, _TAG_VALUE = 500, 36, 1_048_575, 65_535, 16_777_215, 255, 500


class Dataset(msgspec.Struct, frozen=True):
    name: str = ""
    digest: str = ""
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""


class DatasetInput(msgspec.Struct, frozen=True):
    dataset: Dataset = Dataset()
    tags: list[KeyValue] = []


class ModelUse(msgspec.Struct, frozen=True):
    model_id: str = ""
    step: int = 0


class LogInputs(msgspec.Struct, frozen=True):
    run_id: str = ""
    datasets: list[DatasetInput] = []
    models: list[ModelUse] = []


class LogOutputs(msgspec.Struct, frozen=True):
    run_id: str = ""
    models: list[ModelUse] = []


class SearchDatasets(msgspec.Struct, frozen=True):
    experiment_ids: list[str] = []


def log_inputs(call: Call, asked: LogInputs) -> Json:
    """Say which datasets and logged models a run used."""
    need(run_id=asked.run_id)
    if len(asked.datasets) > _MOST_DATASETS:
        raise invalid(f"at most {_MOST_DATASETS} datasets can be logged at once, got {len(asked.datasets)}")
    run_id = asked.run_id
    fresh = [_input(run_id, each) for each in asked.datasets]
    fresh += [RunInput(run=run_id, role=Role.INPUT, model=each.model_id) for each in asked.models]
    _put(call, run_id, fresh)
    return {}


def log_outputs(call: Call, asked: LogOutputs) -> Json:
    """Say which logged models a run made."""
    need(run_id=asked.run_id, models=asked.models or None)
    run_id = asked.run_id
    _put(
        call,
        run_id,
        [RunInput(run=run_id, role=Role.OUTPUT, model=each.model_id, step=each.step) for each in asked.models],
    )
    return {}


def search_datasets(call: Call, asked: SearchDatasets) -> Json:
    """Which datasets the runs of some experiments used, and for what."""
    if not asked.experiment_ids:
        raise invalid("SearchDatasets request must specify at least one experiment_id.")
    if len(asked.experiment_ids) > _MOST_EXPERIMENTS:
        raise invalid(
            f"SearchDatasets request cannot specify more than {_MOST_EXPERIMENTS} experiment_ids. "
            f"Received {len(asked.experiment_ids)} experiment_ids."
        )
    found: dict[tuple[str, str, str, str], Json] = {}
    with call.stores.ledger.read() as tx:
        for experiment_id in asked.experiment_ids:
            experiment = experiment_of(tx, call, experiment_id)
            for each in tx.inputs.list([run.id for run in runs_in(tx, experiment, deleted=False)]):
                if each.model or each.role is Role.OUTPUT:
                    continue
                context = each.tags.get(_CONTEXT, "")
                told: Json = {"experiment_id": experiment_id, "name": each.name, "digest": each.digest}
                found[experiment_id, each.name, each.digest, context] = told | ({"context": context} if context else {})
    return {"dataset_summaries": list(found.values())[:_MOST_SUMMARIES]}


def _put(call: Call, run_id: str, fresh: list[RunInput]) -> None:
    now_us = call.stores.clock.now_us()
    with call.stores.ledger.write(Durability.KILL) as tx:
        active(run_of(tx, call, run_id))
        new = unknown_inputs(tx, run_id, fresh)
        check_mine(tx, call.stores.project, [node("logged", each.model) for each in new if each.model])
        link_inputs(call.stores, tx, run_id, new, at_us=now_us)


def _input(run: str, each: DatasetInput) -> RunInput:
    data = each.dataset
    for name, value, most in (
        ("name", data.name, _NAME),
        ("digest", data.digest, _DIGEST),
        ("source", data.source, _SOURCE),
        ("schema", data.schema, _SCHEMA),
        ("profile", data.profile, _PROFILE),
    ):
        check_length(name, most, value)
    need(name=data.name, digest=data.digest)
    for tag in each.tags:
        check_length("key", _TAG_KEY, tag.key)
        check_length("value", _TAG_VALUE, tag.value)
    return RunInput(
        run=run,
        role=Role.INPUT,
        name=data.name,
        digest=data.digest,
        kind=data.source_type,
        source=data.source,
        schema=data.schema,
        profile=data.profile,
        tags=by_key(each.tags),
    )
