"""Finds runs: filtered, sorted, in pages. What the filters mean is in `where`.

It goes through the runs of the project, newest first, and asks for the summaries of those only that pass what can be
judged without them. What will replace it: docs/design/search.md.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from clew.core.contracts.services import RunService
from clew.core.errors import Invalid
from clew.core.paging import Page
from clew.core.types.run import Run
from clew.core.types.series import Series
from clew.tracking.where import Both, Field, Filter, Value, fields_of, matches

__all__ = ["FoundRun", "Order", "search", "value_of"]

_PAGE = 500


class FoundRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run with the name of its experiment and the summaries of its metrics by name."""

    run: Run
    experiment: str
    metrics: dict[str, Series]


class Order(msgspec.Struct, frozen=True):
    """What to sort by. Runs that do not have it come last, either way."""

    field: Field
    descending: bool = False


def search(
    runs: RunService,
    *,
    filter: Filter | None = None,
    order: Sequence[Order] = (),
    experiment: str = "",
    limit: int = 50,
    after: str = "",
) -> Page[FoundRun]:
    """Runs that pass a filter; newest first unless an order is given.

    Args:
        runs: the services.
        filter: from `parse_filter`; every run when None.
        order: what to sort by, the first one first. A sorted search has one page.
        experiment: name of the one to look in.
        limit: at most so many.
        after: `next` of the page before; not with an order.

    Raises:
        NotFound: there is no such experiment.
        Invalid: `after` is nothing that a page ended with.
    """
    own, rest = _split(filter)
    asked = [*(fields_of(rest) if rest is not None else ()), *(each.field for each in order)]
    keys = list(dict.fromkeys(field.name for field in asked if field.kind == "metric"))
    size = _PAGE if filter is not None or order else limit + 1
    found = _passing(_pages(runs, experiment, after, size), runs, keys, own, rest)
    if order:
        items, last = heapq.nsmallest(limit, (run for run, _ in found), key=lambda run: _rank(run, order)), ""
    else:
        some = list(islice(found, limit + 1))
        items = [run for run, _ in some[:limit]]
        last = some[limit - 1][1] if items and len(some) > limit else ""
    return Page(items=_measured(runs, items), next=last)


_Candidates = list[tuple[FoundRun, str]]


def _split(filter: Filter | None) -> tuple[Filter | None, Filter | None]:
    """The parts of a filter that can be judged without metrics, and the others; a run must pass both."""
    if filter is None:
        return None, None
    parts = filter.parts if isinstance(filter, Both) and filter.op == "and" else (filter,)
    measured = [part for part in parts if any(field.kind == "metric" for field in fields_of(part))]
    own = [part for part in parts if part not in measured]
    return _every(own), _every(measured)


def _every(parts: list[Filter]) -> Filter | None:
    return Both("and", tuple(parts)) if parts else None


def _passing(
    pages: Iterator[_Candidates], runs: RunService, keys: list[str], own: Filter | None, rest: Filter | None
) -> Iterator[tuple[FoundRun, str]]:
    """What passes. Those metrics are asked for, page by page, of what passes without them."""
    for page in pages:
        some = [(run, cursor) for run, cursor in page if own is None or _passes(run, own)]
        if keys and some:
            measured = _measured(runs, [run for run, _ in some], keys)
            some = [(run, cursor) for run, (_, cursor) in zip(measured, some, strict=True)]
        yield from ((run, cursor) for run, cursor in some if rest is None or _passes(run, rest))


def _passes(run: FoundRun, filter: Filter) -> bool:
    return matches(filter, lambda field: value_of(run, field)) is True


def _measured(runs: RunService, found: list[FoundRun], keys: Sequence[str] = ()) -> list[FoundRun]:
    """Runs with the summaries of these metrics, or of all."""
    metrics: dict[str, dict[str, Series]] = {each.run.id: {} for each in found}
    for series in runs.summaries(list(metrics), keys=keys) if found else ():
        metrics[series.run][series.key] = series
    return [FoundRun(run=one.run, experiment=one.experiment, metrics=metrics[one.run.id]) for one in found]


def value_of(found: FoundRun, field: Field) -> Value:
    """The value of a field, None where the run has none."""
    run = found.run
    if field.kind == "metric":
        return _aggregate(found.metrics.get(field.name), field.aggregate)
    if field.kind == "param":
        return run.params.get(field.name)
    if field.kind == "tag":
        return run.tags.get(field.name)
    if field.kind == "experiment":
        return found.experiment
    if field.kind == "duration":
        return (run.ended_us - run.created_us) / 1e6 if run.ended_us else None
    times = {"created": run.created_us, "ended": run.ended_us or None}
    if field.kind in times:
        return times[field.kind]
    text = getattr(run, field.kind)
    return str(text) or None


def _aggregate(series: Series | None, aggregate: str) -> float | None:
    if series is None:
        return None
    numbers = series.count - series.nans
    if aggregate == "mean":
        return series.total / numbers if numbers else math.nan
    return {
        "last": series.last,
        "first": series.first,
        "min": series.low,
        "max": series.high,
        "count": series.count,
    }[aggregate]


def _pages(runs: RunService, experiment: str, after: str, size: int) -> Iterator[_Candidates]:
    """Every run, without metrics, with the cursor that goes on behind it: that of its page, and how many are over."""
    names = {each.id: each.name for each in runs.experiments()}
    start, _, over = after.partition("+")
    if over and not (over.isascii() and over.isdecimal() and int(over) <= _PAGE):
        raise Invalid(f"{after!r} is no page token", hint="leave it out to start at the first page")
    skip = int(over or 0)
    while True:
        page = runs.list(experiment=experiment, limit=max(size, skip), after=start)
        yield [
            (FoundRun(run=run, experiment=names.get(run.experiment, ""), metrics={}), f"{start}+{count}")
            for count, run in enumerate(page.items[skip:], skip + 1)
        ]
        start, skip = page.next, 0
        if not start:
            return


def _rank(found: FoundRun, order: Sequence[Order]) -> list[tuple[int, _Key]]:
    keys = []
    for each in order:
        value = value_of(found, each.field)
        missing = value is None or (isinstance(value, float) and math.isnan(value))
        # Numbers before texts, as a parameter may be either.
        kind = 3 if missing else 2 if isinstance(value, str) else 1
        keys.append((kind, _Key(value, each.descending)))
    return keys


class _Key:
    """A value that compares in its direction; only used between values of one kind."""

    def __init__(self, value: Value, descending: bool) -> None:
        self.value, self.descending = value, descending

    def __lt__(self, other: _Key) -> bool:
        if _is_missing(self.value) or _is_missing(other.value):
            return False
        low, high = (other.value, self.value) if self.descending else (self.value, other.value)
        return low < high  # type: ignore[operator]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Key):
            return NotImplemented
        return self.value == other.value or (_is_missing(self.value) and _is_missing(other.value))

    __hash__ = None  # type: ignore[assignment]


def _is_missing(value: Value) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
