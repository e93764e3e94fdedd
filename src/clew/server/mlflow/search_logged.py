"""The search over logged models."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.types.logged_model import LoggedMetric, LoggedModel
from clew.core.types.run import Experiment
from clew.server.mlflow.answers import Json, number_of
from clew.server.mlflow.body import need
from clew.server.mlflow.call import Call
from clew.server.mlflow.filters import (
    Comparison,
    Grammar,
    Order,
    check_fields,
    holds,
    ordered,
    parse_filter,
    wanted_attribute,
)
from clew.server.mlflow.limits import experiment_number
from clew.server.mlflow.logged_models import logged_root, tell_logged
from clew.server.mlflow.page import cut
from clew.server.mlflow.refusal import invalid

__all__ = ["search_logged_models"]

_TEXTS = frozenset({"name", "model_id", "model_type", "status", "source_run_id", "artifact_location", "experiment_id"})
_NUMBERS = frozenset({"creation_timestamp_ms", "last_updated_timestamp_ms"})
_ALIASES = {
    "creation_time": "creation_timestamp_ms",
    "creation_timestamp": "creation_timestamp_ms",
    "last_updated_timestamp": "last_updated_timestamp_ms",
    "last_updated_time": "last_updated_timestamp_ms",
}
_GRAMMAR = Grammar(
    kinds=frozenset({"attribute", "tag", "metric", "parameter"}),
    texts=_TEXTS,
    numbers=_NUMBERS,
    lists=_TEXTS,
    orders=_TEXTS | _NUMBERS,
    aliases=_ALIASES,
    nulls=frozenset(),
    bare=_TEXTS | {"tag", "parameter"},
)


class Data(msgspec.Struct, frozen=True):
    dataset_name: str = ""
    dataset_digest: str = ""


class OrderBy(msgspec.Struct, frozen=True):
    field_name: str = ""
    ascending: bool = True
    dataset_name: str = ""
    dataset_digest: str = ""


class Search(msgspec.Struct, frozen=True):
    experiment_ids: list[str] = []
    filter: str = ""
    datasets: list[Data] = []
    max_results: int = 0
    order_by: list[OrderBy] = []
    page_token: str = ""


def search_logged_models(call: Call, asked: Search) -> Json:
    """Logged models of some experiments that fulfil a filter, in an order; the newest first."""
    need(experiment_ids=asked.experiment_ids or None)
    if any(not each.dataset_name for each in asked.datasets):
        raise invalid("`dataset_name` in the `datasets` clause must be specified.")
    if asked.max_results < 0:
        raise invalid(f"Invalid value {asked.max_results} for parameter 'max_results' supplied: not negative")
    clauses = parse_filter(asked.filter, _GRAMMAR)
    orders = [(_order(each), each) for each in dict.fromkeys(asked.order_by)]
    check_fields(clauses, asked.order_by)
    numbers = {experiment_number(each) for each in asked.experiment_ids}
    run = wanted_attribute(clauses, "source_run_id")
    with call.stores.ledger.read() as tx:
        experiments = [tx.experiments.find_number(call.stores.project, number) for number in sorted(numbers)]
        by_id = {each.id: each for each in experiments if each is not None}
        models = tx.logged_models.list(call.stores.project, experiments=list(by_id), run=run) if by_id else []
        found = [model for model in models if not model.deleted_us and _matches(model, by_id, clauses)]
        found = _measured(tx, found, clauses, asked.datasets)
        found.sort(key=lambda model: (-(model.created_us // 1000), model.id))
        for order, given in reversed(orders):
            found = _by(tx, found, order, given, by_id)
        page, more = cut(found, asked.max_results or 100, asked.page_token)
        metrics = _metrics(tx, page)
    return {"models": [tell_logged(each, by_id[each.experiment], metrics[each.id]) for each in page], **more}


def _order(given: OrderBy) -> Order:
    kind, _, key = given.field_name.partition(".")
    if key and kind != "metrics":
        raise invalid(f"Invalid order by field name: {given.field_name}. Only metrics are supported.")
    if key:
        return Order("metric", key, given.ascending)
    name = _ALIASES.get(given.field_name, given.field_name)
    if name not in _TEXTS | _NUMBERS:
        raise invalid(f"Invalid order by field name: {given.field_name}")
    return Order("attribute", name, given.ascending)


def _by(
    tx: Transaction, found: list[LoggedModel], order: Order, given: OrderBy, by_id: dict[str, Experiment]
) -> list[LoggedModel]:
    if order.kind != "metric":
        return ordered(found, [order], lambda model, _, key: _attribute(model, key, by_id))
    metrics = _metrics(tx, found, key=order.key)
    data = [Data(given.dataset_name, given.dataset_digest)]

    def latest(model: LoggedModel, kind: str, key: str) -> float | None:  # noqa: ARG001
        mine = [each for each in metrics[model.id] if _on(each, data)]
        last = max(mine, key=lambda each: (each.time_us, each.step), default=None)
        return None if last is None else _number(last)

    return ordered(found, [order], latest)


def _matches(model: LoggedModel, by_id: dict[str, Experiment], clauses: list[Comparison]) -> bool:
    """Whether a model fulfils all clauses but those about metrics."""
    values = {"tag": model.tags, "parameter": model.params}
    return all(
        holds(_attribute(model, each.key, by_id) if each.kind == "attribute" else values[each.kind].get(each.key), each)
        for each in clauses
        if each.kind != "metric"
    )


def _measured(
    tx: Transaction, found: list[LoggedModel], clauses: list[Comparison], datasets: list[Data]
) -> list[LoggedModel]:
    """Those of which numbers were measured that fulfil each clause about metrics, on one of the datasets where some are
    named; without such clauses, of which anything was measured on those."""
    by_key: dict[str, list[Comparison]] = {}
    for clause in clauses:
        if clause.kind == "metric":
            by_key.setdefault(clause.key, []).append(clause)
    for key, asked in by_key.items():
        metrics = _metrics(tx, found, key=key)
        numbers = {model.id: [_number(each) for each in metrics[model.id] if _on(each, datasets)] for model in found}
        found = [
            model
            for model in found
            if all(any(holds(number, clause) for number in numbers[model.id]) for clause in asked)
        ]
    if datasets and not by_key:
        metrics = _metrics(tx, found)
        found = [model for model in found if any(_on(each, datasets) for each in metrics[model.id])]
    return found


def _metrics(tx: Transaction, models: Sequence[LoggedModel], *, key: str = "") -> dict[str, list[LoggedMetric]]:
    """What was measured of each model."""
    found: dict[str, list[LoggedMetric]] = {model.id: [] for model in models}
    for each in tx.logged_models.metrics(list(found), key=key):
        found[each.model].append(each)
    return found


def _number(metric: LoggedMetric) -> float:
    return float(number_of(metric.value))


def _on(metric: LoggedMetric, datasets: list[Data]) -> bool:
    """Whether a metric was measured on one of these datasets; on any, where none are named."""
    return not datasets or any(
        each.dataset_name in ("", metric.dataset) and each.dataset_digest in ("", metric.digest) for each in datasets
    )


def _attribute(model: LoggedModel, key: str, by_id: dict[str, Experiment]) -> str | int:
    values: dict[str, str | int] = {
        "name": model.name,
        "model_id": model.id,
        "model_type": model.type,
        "status": str(model.status).upper(),
        "source_run_id": model.run,
        "artifact_location": logged_root(by_id[model.experiment], model.id),
        "experiment_id": str(by_id[model.experiment].number),
        "creation_timestamp_ms": model.created_us // 1000,
        "last_updated_timestamp_ms": (model.updated_us or model.created_us) // 1000,
    }
    return values[key]
