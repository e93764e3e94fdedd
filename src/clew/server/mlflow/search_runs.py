"""The search over runs."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.types.edge import Role
from clew.core.types.run import Experiment, Run
from clew.core.types.run_input import RunInput
from clew.core.types.series import Series
from clew.server.mlflow.answers import (
    STATUSES,
    USER_TAG,
    Json,
    artifact_root,
    number_of,
    param_text,
    tags_of,
    tell_run,
)
from clew.server.mlflow.body import MORE
from clew.server.mlflow.call import Call
from clew.server.mlflow.experiments import runs_of
from clew.server.mlflow.filters import Comparison, Grammar, Order, holds, ordered, parse_filter, parse_order
from clew.server.mlflow.limits import bad_value, experiment_number
from clew.server.mlflow.page import cut
from clew.server.mlflow.refusal import invalid

__all__ = ["search_runs"]

_MOST = 50_000
_CONTEXT = "mlflow.data.context"
_TEXTS = frozenset({"run_id", "run_name", "status", "artifact_uri", "user_id"})
_NUMBERS = frozenset({"start_time", "end_time"})
_GRAMMAR = Grammar(
    kinds=frozenset({"attribute", "tag", "metric", "parameter", "dataset"}),
    texts=_TEXTS,
    numbers=_NUMBERS,
    lists=frozenset({"run_id"}),
    orders=_TEXTS | _NUMBERS,
    aliases={
        "created": "start_time",
        "Created": "start_time",
        "run name": "run_name",
        "Run name": "run_name",
        "Run Name": "run_name",
    },
)
_VIEWS = {"ACTIVE_ONLY": False, "DELETED_ONLY": True, "ALL": None, "1": False, "2": True, "3": None}


class Search(msgspec.Struct, frozen=True):
    experiment_ids: list[str] = []
    filter: str = ""
    run_view_type: str | int = "ACTIVE_ONLY"
    max_results: int = 1000
    order_by: list[str] = []
    page_token: str = ""


class Row:
    """A run with what filters ask of it; its series and inputs are read when something asks of them."""

    __slots__ = ("experiment", "inputs", "metrics", "run", "tags")

    def __init__(self, run: Run, experiment: Experiment) -> None:
        self.run, self.experiment = run, experiment
        self.tags: dict[str, str] | None = None
        self.metrics: dict[str, Series] = {}
        self.inputs: list[RunInput] = []


def search_runs(call: Call, asked: Search) -> Json:
    """Runs of some experiments that fulfil a filter, in an order; the newest first."""
    if asked.max_results > _MOST:
        raise invalid(bad_value("max_results", asked.max_results, " Hint: Value was of type 'int'.") + MORE)
    if asked.max_results < 0:
        raise invalid(f"Invalid value {asked.max_results} for parameter 'max_results' supplied: not negative")
    clauses, orders = parse_filter(asked.filter, _GRAMMAR), parse_order(asked.order_by, _GRAMMAR)
    numbers = {experiment_number(each) for each in asked.experiment_ids}
    view = str(asked.run_view_type).upper()
    if view not in _VIEWS:
        raise invalid(f"Invalid value {asked.run_view_type!r} for parameter 'run_view_type' supplied.")
    with call.stores.ledger.read() as tx:
        rows = _rows(tx, call, numbers, deleted=_VIEWS[view])
        rows = _filtered(tx, rows, clauses)
        rows = _sorted(tx, rows, orders)
        page, more = cut(rows, asked.max_results, asked.page_token)
        _read_inputs(tx, page)
        _read_metrics(tx, page)
    runs = [tell_run(row.run, row.experiment, row.metrics.values(), row.inputs) for row in page]
    return {"runs": runs, **more}


def _rows(tx: Transaction, call: Call, numbers: set[int], *, deleted: bool | None) -> list[Row]:
    found: list[Row] = []
    for number in numbers:
        experiment = tx.experiments.find_number(call.stores.project, number)
        if experiment is not None:
            found += [Row(run, experiment) for run in runs_of(tx, call, experiment, deleted=deleted)]
    return found


def _filtered(tx: Transaction, rows: list[Row], clauses: list[Comparison]) -> list[Row]:
    """Those that fulfil all clauses; what is cheap is asked first."""
    slow = ("metric", "dataset")
    for clause in sorted(clauses, key=lambda clause: clause.kind in slow):
        if clause.kind == "metric":
            _read_metrics(tx, rows, [clause.key])
        elif clause.kind == "dataset":
            _read_inputs(tx, rows)
        fulfils = _on_data if clause.kind == "dataset" else _on_value
        rows = [row for row in rows if fulfils(row, clause)]
    return rows


def _on_value(row: Row, clause: Comparison) -> bool:
    return holds(_value(row, clause.kind, clause.key), clause)


def _on_data(row: Row, clause: Comparison) -> bool:
    """Whether one of the datasets of a run fulfils a clause."""
    return any(
        holds(each.tags.get(_CONTEXT) if clause.key == "context" else getattr(each, clause.key), clause)
        for each in row.inputs
        if each.role is not Role.OUTPUT and not each.model
    )


def _sorted(tx: Transaction, rows: list[Row], orders: list[Order]) -> list[Row]:
    metrics = [order.key for order in orders if order.kind == "metric"]
    if metrics:
        _read_metrics(tx, rows, metrics)
    rows.sort(key=lambda row: (-(row.run.created_us // 1000), row.run.id))
    return ordered(rows, orders, _value)


def _read_metrics(tx: Transaction, rows: list[Row], keys: list[str] | None = None) -> None:
    by_run = {row.run.id: row for row in rows}
    for row in rows:
        row.metrics = row.metrics if keys else {}
    for series in tx.series.summaries(list(by_run), keys=keys or ()):
        by_run[series.run].metrics[series.key] = series


def _read_inputs(tx: Transaction, rows: list[Row]) -> None:
    by_run = {row.run.id: row for row in rows}
    for row in rows:
        row.inputs = []
    for each in tx.inputs.list(list(by_run)):
        by_run[each.run].inputs.append(each)


_ATTRIBUTES: dict[str, Callable[[Row], str | int | None]] = {
    "run_id": lambda row: row.run.id,
    "run_name": lambda row: row.run.name,
    "status": lambda row: STATUSES[row.run.status],
    "artifact_uri": lambda row: artifact_root(row.experiment, row.run.id),
    "user_id": lambda row: row.run.tags.get(USER_TAG, row.run.created_by),
    "start_time": lambda row: row.run.created_us // 1000,
    "end_time": lambda row: row.run.ended_us // 1000 or None,
}


def _value(row: Row, kind: str, key: str) -> str | int | float | None:
    if kind == "attribute":
        return _ATTRIBUTES[key](row)
    if kind == "parameter":
        return param_text(row.run.params[key]) if key in row.run.params else None
    if kind == "metric":
        series = row.metrics.get(key)
        return None if series is None else float(number_of(series.last))
    if row.tags is None:
        row.tags = tags_of(row.run)
    return row.tags.get(key)
