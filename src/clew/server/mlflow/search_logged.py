"""The search over logged models."""

from __future__ import annotations

import msgspec

from clew.core.types.logged_model import LoggedMetric, LoggedModel
from clew.core.types.run import Experiment
from clew.server.mlflow.answers import Json, number_of
from clew.server.mlflow.body import need
from clew.server.mlflow.call import Call
from clew.server.mlflow.filters import Comparison, Grammar, Order, holds, ordered, parse_filter, wanted_attribute
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
    clauses = parse_filter(asked.filter, _GRAMMAR)
    orders = [_order(each) for each in asked.order_by]
    numbers = {experiment_number(each) for each in asked.experiment_ids}
    run = wanted_attribute(clauses, "source_run_id")
    with call.stores.ledger.read() as tx:
        experiments = [tx.experiments.find_number(call.stores.project, number) for number in sorted(numbers)]
        by_id = {each.id: each for each in experiments if each is not None}
        models = tx.logged_models.list(call.stores.project, experiments=list(by_id), run=run) if by_id else []
    found = [model for model in models if not model.deleted_us and _matches(model, by_id, clauses, asked.datasets)]
    found.sort(key=lambda model: (-(model.created_us // 1000), model.id))
    for order, given in reversed(list(zip(orders, asked.order_by, strict=True))):
        found = _by(found, order, given, by_id)
    page, more = cut(found, asked.max_results or 100, asked.page_token)
    return {"models": [tell_logged(model, by_id[model.experiment]) for model in page], **more}


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


def _by(found: list[LoggedModel], order: Order, given: OrderBy, by_id: dict[str, Experiment]) -> list[LoggedModel]:
    data = [Data(given.dataset_name, given.dataset_digest)] if given.dataset_name else []

    def value(model: LoggedModel, kind: str, key: str) -> str | int | float | None:
        if kind == "metric":
            last = _last([each for each in model.metrics if each.key == key and _on(each, data)])
            return None if last is None else float(number_of(float(last.value)))
        return _attribute(model, key, by_id)

    return ordered(found, [order], value)


def _matches(model: LoggedModel, by_id: dict[str, Experiment], clauses: list[Comparison], datasets: list[Data]) -> bool:
    on_metrics = any(clause.kind == "metric" for clause in clauses)
    if datasets and not on_metrics and not any(_on(each, datasets) for each in model.metrics):
        return False
    return all(_fulfils(model, clause, by_id, datasets) for clause in clauses)


def _fulfils(model: LoggedModel, clause: Comparison, by_id: dict[str, Experiment], datasets: list[Data]) -> bool:
    if clause.kind == "metric":
        return any(
            each.key == clause.key and _on(each, datasets) and holds(float(number_of(float(each.value))), clause)
            for each in model.metrics
        )
    if clause.kind == "attribute":
        return holds(_attribute(model, clause.key, by_id), clause)
    return holds((model.tags if clause.kind == "tag" else model.params).get(clause.key), clause)


def _on(metric: LoggedMetric, datasets: list[Data]) -> bool:
    """Whether a metric was measured on one of these datasets; on any, where none are named."""
    return not datasets or any(
        metric.dataset == each.dataset_name and each.dataset_digest in ("", metric.digest) for each in datasets
    )


def _last(metrics: list[LoggedMetric]) -> LoggedMetric | None:
    return max(metrics, key=lambda each: (each.time_us, each.step), default=None)


def _attribute(model: LoggedModel, key: str, by_id: dict[str, Experiment]) -> str | int | None:
    values: dict[str, str | int | None] = {
        "name": model.name,
        "model_id": model.id,
        "model_type": model.type or None,
        "status": str(model.status).upper(),
        "source_run_id": model.run or None,
        "artifact_location": logged_root(by_id[model.experiment], model.id),
        "experiment_id": str(by_id[model.experiment].number),
        "creation_timestamp_ms": model.created_us // 1000,
        "last_updated_timestamp_ms": (model.updated_us or model.created_us) // 1000,
    }
    return values[key]
