"""What a run logs as it goes: metrics, parameters and tags, one at a time or in batches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import msgspec

from clew.core.contracts.ledger import Durability, Transaction
from clew.core.types.logged_model import LoggedMetric
from clew.core.types.run import Run, Scalar
from clew.server.mlflow.answers import COMMIT_TAG, NAME_TAG, PARENT_TAG, SOURCE_TAG, Json, parent_of
from clew.server.mlflow.body import KeyValue, need, run_id_of
from clew.server.mlflow.call import Call, active, run_of, within
from clew.server.mlflow.limits import check_batch, check_length, checked_param, checked_tag
from clew.server.mlflow.logged_models import logged_model_of, writable
from clew.server.mlflow.points import Metric, Point, blocks_of, checked_metric
from clew.server.mlflow.refusal import invalid, missing
from clew.tracking.params import scalar_of_text, text_of
from clew.tracking.revise import add_blocks, revise

__all__ = ["delete_tag", "log_batch", "log_metric", "log_model", "log_param", "set_tag"]

_HISTORY_TAG, _HISTORY = "mlflow.log-model.history", 1_000_000


class LogMetric(Metric, frozen=True):
    run_id: str = ""
    run_uuid: str = ""


class LogParam(msgspec.Struct, frozen=True):
    run_id: str = ""
    run_uuid: str = ""
    key: str = ""
    value: str = ""


class DeleteTag(msgspec.Struct, frozen=True):
    run_id: str = ""
    key: str = ""


class LogBatch(msgspec.Struct, frozen=True):
    run_id: str = ""
    metrics: list[Metric] = []
    params: list[KeyValue] = []
    tags: list[KeyValue] = []


class LogModel(msgspec.Struct, frozen=True):
    run_id: str = ""
    model_json: str = ""


def log_metric(call: Call, asked: LogMetric) -> Json:
    """Add one point."""
    run_id = run_id_of(asked)
    need(key=asked.key, value=asked.value, timestamp=asked.timestamp)
    point = checked_metric(asked)
    blocks = blocks_of(run_id, [point])
    with call.stores.ledger.write(Durability.KILL, within=within(run_id)) as tx:
        add_blocks(call.stores, tx, active(run_of(tx, call, run_id)), blocks)
        _measure_models(tx, call, run_id, [(asked, point)])
    call.crumbs.count(call.stores, run_id)
    return {}


def log_param(call: Call, asked: LogParam) -> Json:
    """Add a parameter; the same value again is fine."""
    run_id = run_id_of(asked)
    need(key=asked.key)
    key, value = checked_param(asked.key, asked.value)
    with call.stores.ledger.write(within=within(run_id)) as tx:
        before = active(run_of(tx, call, run_id))
        old = before.params.get(key)
        if key in before.params and text_of(old) != value:
            raise invalid(
                f"Changing param values is not allowed. Param with key='{key}' was already"
                f" logged with value='{text_of(old)}' for run ID='{run_id}'. Attempted logging new value '{value}'."
            )
        if key not in before.params:
            params = {**before.params, key: scalar_of_text(value)}
            revise(call.stores, tx, before, msgspec.structs.replace(before, params=params))
    return {}


def set_tag(call: Call, asked: LogParam) -> Json:
    """Set a tag; that of the name renames the run."""
    run_id = run_id_of(asked)
    need(key=asked.key)
    tag = checked_tag(asked.key, asked.value)
    with call.stores.ledger.write(Durability.KILL, within=within(run_id)) as tx:
        before = active(run_of(tx, call, run_id))
        revise(call.stores, tx, before, _tagged(before, dict([tag])))
    return {}


def delete_tag(call: Call, asked: DeleteTag) -> Json:
    """Take a tag away."""
    need(run_id=asked.run_id, key=asked.key)
    with call.stores.ledger.write(Durability.KILL, within=within(asked.run_id)) as tx:
        before = active(run_of(tx, call, asked.run_id))
        if asked.key == NAME_TAG:
            return {}  # the name stays, as MLflow's server keeps it; here it has no other place
        if asked.key not in before.tags:
            raise missing(f"No tag with name: {asked.key} in run with id {asked.run_id}")
        rest = {key: value for key, value in before.tags.items() if key != asked.key}
        parent = "" if asked.key == PARENT_TAG else before.parent
        revise(call.stores, tx, before, msgspec.structs.replace(before, tags=rest, parent=parent))
    return {}


def log_batch(call: Call, asked: LogBatch) -> Json:
    """Add metrics, parameters and tags together: all of them, or none."""
    run_id = asked.run_id
    need(run_id=run_id)
    points = [checked_metric(metric, f"metrics[{place}]") for place, metric in _needed(asked.metrics)]
    params = [checked_param(each.key, each.value, f"params[{place}]") for place, each in enumerate(asked.params)]
    tags = [checked_tag(each.key, each.value, f"tags[{place}]") for place, each in enumerate(asked.tags)]
    check_batch(len(points), len(params), len(tags))
    _check_unique([key for key, _ in params])
    blocks = blocks_of(run_id, points) if points else []
    with call.stores.ledger.write(Durability.KILL, within=within(run_id)) as tx:
        before = active(run_of(tx, call, run_id))
        after = _tagged(before, dict(tags))
        if params:
            after = msgspec.structs.replace(after, params=_merged(before, params))
        if blocks:
            add_blocks(call.stores, tx, before, blocks)
        revise(call.stores, tx, before, after)
        _measure_models(tx, call, run_id, list(zip(asked.metrics, points, strict=True)))
    if blocks:
        call.crumbs.count(call.stores, run_id)
    return {}


def log_model(call: Call, asked: LogModel) -> Json:
    """Note in a tag that a model was logged, as old clients do."""
    need(run_id=asked.run_id, model_json=asked.model_json)
    model = _read_json(asked.model_json)
    if not isinstance(model, dict):
        raise invalid(f"Malformed model info. \n {asked.model_json} \n is not a valid JSON.")
    absent = {"artifact_path", "flavors", "utc_time_created", "run_id"} - model.keys()
    if absent:
        raise invalid(f"Model json is missing mandatory fields: {absent}")
    with call.stores.ledger.write(Durability.KILL, within=within(asked.run_id)) as tx:
        before = active(run_of(tx, call, asked.run_id))
        history = _read_json(before.tags.get(_HISTORY_TAG, "[]"))
        if not isinstance(history, list):
            raise invalid(f"the tag {_HISTORY_TAG} of run {before.id} is no list in JSON: delete it first")
        entry = {key: value for key, value in model.items() if key != "signature"}
        value = json.dumps([*history, entry])  # as long as it gets: cut, it could not be read again
        check_length(_HISTORY_TAG, _HISTORY, value)
        told = {"appended": {_HISTORY_TAG: json.dumps(entry)}}  # events stay: the whole each time would be very much
        revise(call.stores, tx, before, _tagged(before, {_HISTORY_TAG: value}), told=told)
    return {}


def _read_json(text: str) -> object:
    """What JSON says; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _needed(metrics: Sequence[Metric]) -> list[tuple[int, Metric]]:
    for place, metric in enumerate(metrics):
        if not metric.key or metric.value is None or metric.value == "" or metric.timestamp is None:
            need(
                **{
                    f"metrics[{place}].key": metric.key,
                    f"metrics[{place}].value": metric.value,
                    f"metrics[{place}].timestamp": metric.timestamp,
                }
            )
    return list(enumerate(metrics))


def _check_unique(keys: list[str]) -> None:
    twice = [key for place, key in enumerate(keys) if key in keys[:place]]
    if twice:
        raise invalid(
            f"Duplicate parameter keys have been submitted: {twice}. Please ensure "
            "the request contains only one param value per param key."
        )


def _merged(run: Run, params: Sequence[tuple[str, str]]) -> dict[str, Scalar]:
    """The parameters of a run with new ones, of which none may differ from one that is there."""
    differ = [
        {"key": key, "old_value": text_of(run.params[key]), "new_value": value}
        for key, value in params
        if key in run.params and text_of(run.params[key]) != value
    ]
    if differ:
        raise invalid(
            f"Changing param values is not allowed. Params were already logged='{differ}' for run ID='{run.id}'."
        )
    return {**run.params, **{key: scalar_of_text(value) for key, value in params if key not in run.params}}


def _tagged(run: Run, tags: Mapping[str, str]) -> Run:
    """A run with more tags; some of them are fields of their own."""
    if not tags:
        return run
    kept = {key: value for key, value in tags.items() if key != NAME_TAG}
    return msgspec.structs.replace(
        run,
        tags={**run.tags, **kept},
        name=tags.get(NAME_TAG) or run.name,
        parent=parent_of(tags) if PARENT_TAG in tags else run.parent,
        entry=tags.get(SOURCE_TAG, run.entry),
        commit=tags.get(COMMIT_TAG, run.commit),
    )


def _measure_models(tx: Transaction, call: Call, run: str, measured: Sequence[tuple[Metric, Point]]) -> None:
    """Note for logged models what was measured of them; rows are only added, so that this stays within the run."""
    metrics = [
        LoggedMetric(
            model=metric.model_id,
            key=point.key,
            value=point.value,
            step=point.step,
            time_us=point.time_us,
            run=run,
            dataset=metric.dataset_name,
            digest=metric.dataset_digest,
        )
        for metric, point in measured
        if metric.model_id
    ]
    for model_id in sorted({each.model for each in metrics}):
        writable(logged_model_of(tx, call, model_id))
    tx.logged_models.measure(metrics)
