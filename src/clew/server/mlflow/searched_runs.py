"""Runs as searches of MLflow's clients find them: by the index, and by judging what the index cannot say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.judging import FoundRun
from clew.core.paging import Page
from clew.core.types.edge import Role
from clew.core.types.filter import Comparison, Field, Search, every
from clew.core.types.run import Experiment
from clew.core.types.run_input import RunInput
from clew.core.types.series import LastPoint
from clew.server.mlflow import filters
from clew.server.mlflow.answers import STATUSES, USER_TAG, artifact_root, number_of, tags_of
from clew.server.mlflow.filters import holds, ordered
from clew.server.mlflow.translate import translate_filter, translate_order
from clew.tracking.params import text_of

__all__ = ["Row", "SearchedRuns", "read_inputs", "read_metrics"]

_AT_ONCE = 5000
_CONTEXT = "mlflow.data.context"
_EXPERIMENT = Field("experiment")
_COST = {"dataset": 1, "metric": 2}
"""What has to be read for a clause is asked of what is left when the others were."""


class Row:
    """A run with what clauses ask of it; its metrics and inputs are read when something asks of them."""

    __slots__ = ("experiment", "inputs", "metrics", "run", "tags")

    def __init__(self, found: FoundRun, experiment: Experiment) -> None:
        self.run, self.experiment = found.run, experiment
        self.metrics: dict[str, LastPoint] = {}
        self.tags: dict[str, str] | None = None
        self.inputs: list[RunInput] = []


class SearchedRuns:
    """A search over the runs of some experiments: by the index, and by judging what the index cannot say."""

    def __init__(
        self, tx: Transaction, project: str, experiments: Mapping[str, Experiment], *, deleted: bool | None
    ) -> None:
        self._tx, self._project, self._experiments, self._deleted = tx, project, experiments, deleted

    def page(
        self, clauses: Sequence[filters.Comparison], orders: Sequence[filters.Order], start: int, count: int
    ) -> list[Row]:
        """So many runs from a place of the order on."""
        names = tuple(self._experiments)
        within = Comparison(_EXPERIMENT, "=" if len(names) == 1 else "in", names)
        asked, rest = translate_filter(clauses)
        order = translate_order(orders)
        search = Search(filter=every(within, asked), order=order or (), deleted=self._deleted, metrics=())
        if order is None:
            return self._sorted(search, rest, orders)[start : start + count]
        if not rest:
            return self._rows(msgspec.structs.replace(search, skip=start, limit=count)).items
        found = self._judged(msgspec.structs.replace(search, limit=min(start + count, _AT_ONCE)), rest)
        return list(islice(found, start, start + count))

    def _rows(self, search: Search) -> Page[Row]:
        page = self._tx.runs.search(self._project, search)
        return Page(items=[Row(each, self._experiments[each.experiment]) for each in page.items], next=page.next)

    def _judged(self, search: Search, rest: Sequence[filters.Comparison]) -> Iterator[Row]:
        """The runs of a search that fulfil what is left of a filter, in its order; read in ever longer pages."""
        while True:
            page = self._rows(search)
            yield from _filtered(self._tx, page.items, rest)
            if not page.next:
                return
            search = msgspec.structs.replace(search, after=page.next, limit=min(4 * search.limit, _AT_ONCE))

    def _sorted(self, search: Search, rest: Sequence[filters.Comparison], orders: Sequence[filters.Order]) -> list[Row]:
        """All of them, in an order that the index does not have."""
        rows = list(self._judged(msgspec.structs.replace(search, limit=_AT_ONCE), rest))
        if any(each.kind == "metric" for each in orders):
            read_metrics(self._tx, rows)
        rows.sort(key=lambda row: (-(row.run.created_us // 1000), row.run.id))
        return ordered(rows, orders, _value)


def _filtered(tx: Transaction, rows: list[Row], clauses: Sequence[filters.Comparison]) -> list[Row]:
    """Those that fulfil all clauses; what is cheap is asked first."""
    for clause in sorted(clauses, key=lambda each: _COST.get(each.kind, 0)):
        if clause.kind == "metric":
            read_metrics(tx, rows)
        elif clause.kind == "dataset":
            read_inputs(tx, rows)
        fulfils = _on_data if clause.kind == "dataset" else _on_value
        rows = [row for row in rows if fulfils(row, clause)]
    return rows


def _on_value(row: Row, clause: filters.Comparison) -> bool:
    return holds(_value(row, clause.kind, clause.key), clause)


def _on_data(row: Row, clause: filters.Comparison) -> bool:
    """Whether one of the datasets of a run fulfils a clause."""
    return any(
        holds(each.tags.get(_CONTEXT) if clause.key == "context" else getattr(each, clause.key), clause)
        for each in row.inputs
        if each.role is not Role.OUTPUT and not each.model
    )


def read_metrics(tx: Transaction, rows: Sequence[Row]) -> None:
    """Read the last points of all metrics."""
    metrics = {row.run.id: row.metrics for row in rows}
    for point in tx.series.lasts(list(metrics)):
        metrics[point.run][point.key] = point


def read_inputs(tx: Transaction, rows: Sequence[Row]) -> None:
    """Read what runs used and made."""
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
        return text_of(row.run.params[key]) if key in row.run.params else None
    if kind == "metric":
        point = row.metrics.get(key)
        return None if point is None else float(number_of(point.value))
    if row.tags is None:
        row.tags = tags_of(row.run)
    return row.tags.get(key)
