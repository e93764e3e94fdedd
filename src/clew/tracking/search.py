"""Finds runs by texts in the language of filters (`where`). The plans that answer are the ledger's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid, NotFound
from clew.core.judging import FoundRun
from clew.core.paging import Page
from clew.core.types.filter import MOST_FIELDS, NEWEST, Both, Comparison, Field, Filter, Not, Search, every, fields_of
from clew.core.types.run import Experiment
from clew.tracking.named import ids_of
from clew.tracking.where import parse_filter, parse_order

__all__ = ["MOST_RUNS", "known_experiment", "search_of", "search_runs"]

MOST_RUNS = 10_000
"""Of one page."""


def search_runs(stores: Stores, search: Search, *, experiment: str = "") -> Page[FoundRun]:
    """Runs of the project that a search asks for, of one experiment where one is named.

    Raises:
        NotFound: there is no such experiment, or no run that `id` or `parent` is compared with by a name.
        Invalid: `after` is nothing that a page of this order ended with.
    """
    with stores.ledger.read() as tx:
        if experiment:
            known_experiment(tx, stores.project, experiment)
        if search.filter is not None:
            search = msgspec.structs.replace(search, filter=_by_ids(tx, stores.project, search.filter))
        return tx.runs.search(stores.project, search)


def _by_ids(tx: Transaction, project: str, filter: Filter) -> Filter:
    """The filter with whole ids where it names runs."""
    if isinstance(filter, Not):
        return Not(_by_ids(tx, project, filter.part))
    if isinstance(filter, Both):
        return Both(filter.op, tuple(_by_ids(tx, project, part) for part in filter.parts))
    if filter.field.kind not in ("id", "parent") or filter.op not in ("=", "!=", "in"):
        return filter
    ids = (ids_of(tx, project, str(word)) for word in filter.values)
    found = Comparison(filter.field, "in", tuple(dict.fromkeys(chain.from_iterable(ids))))
    return Not(found) if filter.op == "!=" else found


def known_experiment(tx: Transaction, project: str, name: str) -> Experiment:
    """The experiment of a name.

    Raises:
        NotFound: there is none.
    """
    found = tx.experiments.find(project, name)
    if found is None:
        near = sorted(each.name for each in tx.experiments.list(project))[:5]
        raise NotFound("experiment", name, near=near)
    return found


def search_of(
    *,
    where: str = "",
    sort: str = "",
    experiment: str = "",
    limit: int = 50,
    after: str = "",
    metrics: Sequence[str] | None = None,
    now_us: int,
) -> Search:
    """A search as texts say it.

    Args:
        where: a filter; every run passes an empty one.
        sort: fields with commas between them, `-` before one for the greatest first; newest first when empty.
        experiment: name of the one to look in.
        limit: at most so many, 1 to `MOST_RUNS`.
        after: `next` of the page before, of the same order.
        metrics: whose summaries to bring along; all when None.
        now_us: what relative times such as `"-7d"` count from.

    Raises:
        Unreadable: `where` or `sort` cannot be read.
        Invalid: the limit is out of range, `after` is no page token, or more than `MOST_FIELDS` fields are asked for.
    """
    if not 1 <= limit <= MOST_RUNS:
        raise Invalid(f"a page has 1 to {MOST_RUNS:,} runs, not {limit}", hint="go on with the page's next")
    asked = parse_filter(where, now_us=now_us) if where.strip() else None
    order = parse_order(sort)
    fields = {*(fields_of(asked) if asked else ()), *(each.field for each in order)}
    if len(fields) > MOST_FIELDS:
        raise Invalid(
            f"a search asks for at most {MOST_FIELDS} fields, not {len(fields):,}",
            hint="count those of the filter and of the order together; split the search",
        )
    only: Filter | None = Comparison(Field("experiment"), "=", (experiment,)) if experiment else None
    return Search(
        filter=every(only, asked),
        order=order or NEWEST,
        limit=limit,
        after=after,
        metrics=None if metrics is None else tuple(metrics),
    )
