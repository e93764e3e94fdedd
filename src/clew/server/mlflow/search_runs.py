"""The search over runs."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.types.run import Experiment
from clew.server.mlflow.answers import Json, tell_run
from clew.server.mlflow.body import MORE
from clew.server.mlflow.call import Call
from clew.server.mlflow.filters import Grammar, check_fields, parse_filter, parse_order
from clew.server.mlflow.limits import bad_value, experiment_number
from clew.server.mlflow.page import offset_of, token_of
from clew.server.mlflow.refusal import invalid
from clew.server.mlflow.searched_runs import SearchedRuns, read_inputs, read_metrics

__all__ = ["GRAMMAR", "search_runs"]

_MOST, _FAR = 50_000, 1 << 40
_TEXTS = frozenset({"run_id", "run_name", "status", "artifact_uri", "user_id"})
_NUMBERS = frozenset({"start_time", "end_time"})
GRAMMAR = Grammar(
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
    experiment_ids: list[str | int] = []
    filter: str = ""
    run_view_type: str | int = "ACTIVE_ONLY"
    max_results: int = 1000
    order_by: list[str] = []
    page_token: str = ""


def search_runs(call: Call, asked: Search) -> Json:
    """Runs of some experiments that fulfil a filter, in an order; the newest first."""
    if asked.max_results > _MOST:
        raise invalid(bad_value("max_results", asked.max_results, " Hint: Value was of type 'int'.") + MORE)
    if asked.max_results < 1:
        raise invalid(
            f"Invalid value {asked.max_results} for parameter 'max_results' supplied. It must be a positive integer"
        )
    clauses, orders = parse_filter(asked.filter, GRAMMAR), parse_order(asked.order_by, GRAMMAR)
    check_fields(clauses, orders)
    numbers = {experiment_number(str(each)) for each in asked.experiment_ids}
    view = str(asked.run_view_type).upper()
    if view not in _VIEWS:
        raise invalid(f"Invalid value {asked.run_view_type!r} for parameter 'run_view_type' supplied.")
    start = min(offset_of(asked.page_token), _FAR)
    with call.stores.ledger.read() as tx:
        experiments = _experiments(tx, call.stores.project, numbers)
        search = SearchedRuns(tx, call.stores.project, experiments, deleted=_VIEWS[view])
        rows = search.page(clauses, orders, start, asked.max_results + 1) if experiments else []
        page = rows[: asked.max_results]
        read_inputs(tx, page)
        read_metrics(tx, page)
    runs = [tell_run(row.run, row.experiment, row.metrics.values(), row.inputs) for row in page]
    return {"runs": runs, **({"next_page_token": token_of(start + len(page))} if len(rows) > len(page) else {})}


def _experiments(tx: Transaction, project: str, numbers: Iterable[int]) -> dict[str, Experiment]:
    """The experiments of these numbers by name."""
    found = [tx.experiments.find_number(project, number) for number in numbers]
    return {each.name: each for each in found if each is not None}
