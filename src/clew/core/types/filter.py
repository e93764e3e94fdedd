"""What a search over runs asks: fields, filters as trees, orders. Not how filters are written: languages compile to it.

`clew.core.judging` says what they mean.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

__all__ = [
    "AGGREGATES",
    "FIELDS",
    "KINDS",
    "MOST_FIELDS",
    "NEWEST",
    "Both",
    "Comparison",
    "Field",
    "Filter",
    "Not",
    "Order",
    "Search",
    "Value",
    "every",
    "fields_of",
    "parts_of",
]

Value = str | float | int | bool | None
AGGREGATES = ("last", "first", "min", "max", "mean", "count")
FIELDS = (
    "id",
    "name",
    "status",
    "kind",
    "experiment",
    "parent",
    "commit",
    "created_by",
    "created",
    "ended",
    "duration",
)
"""What can be asked of every run, besides `metric.…`, `param.…`, `tag.…` and `data.…`. `duration` is in seconds."""

KINDS = ("metric", "param", "tag", "data")
"""Kinds of fields that have a name: `data.flights` is the greatest version of the dataset that the run used."""

MOST_FIELDS = 100
"""Of one search, its filter and its order together: each is held as a column over all runs."""


class Field(NamedTuple):
    """What is asked of a run: `metric`, `auc`, `max`; or a plain field with an empty name.

    Two more aggregates are for programs: `there` is 1 for each run that has a metric, also where its value is NaN, and
    `ms` gives `created` and `ended` in whole milliseconds.
    """

    kind: str
    name: str = ""
    aggregate: str = ""

    def __str__(self) -> str:
        return ".".join(part for part in self if part)


class Comparison(NamedTuple):
    """`field op value`, with one value but for `in`.

    `is` asks for None; `~` whether a text contains another whatever the case, `contains` whether it does exactly;
    `like` and `ilike` are those of SQL, `%` for any characters and `_` for one.
    """

    field: Field
    op: str
    values: tuple[Value, ...]


class Both(NamedTuple):
    """`and` and `or`."""

    op: str
    parts: tuple[Filter, ...]


class Not(NamedTuple):
    """The opposite; unknown stays unknown."""

    part: Filter


Filter = Comparison | Both | Not


class Order(NamedTuple):
    """What to sort by. Runs that do not have it, or have NaN there, come last, either way."""

    field: Field
    descending: bool = False


NEWEST = (Order(Field("created"), descending=True),)
"""The newest first. Ids say so only of runs that began here: what was imported keeps its own."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs, in which order, how many. Equal ones, and all without an order, come by id, the greatest first.

    `after` is the `next` of the page before, of the same order; `skip` leaves out so many more of the first ones.
    `metrics` names the summaries to bring along: all when None. `deleted` asks for runs in the trash, None for those
    outside of it too.
    """

    filter: Filter | None = None
    order: tuple[Order, ...] = ()
    limit: int = 50
    after: str = ""
    skip: int = 0
    metrics: tuple[str, ...] | None = None
    deleted: bool | None = False


def fields_of(filter: Filter) -> list[Field]:
    """The fields that a filter asks for, each once."""
    if isinstance(filter, Comparison):
        return [filter.field]
    parts = filter.parts if isinstance(filter, Both) else (filter.part,)
    return list(dict.fromkeys(field for part in parts for field in fields_of(part)))


def parts_of(filter: Filter | None) -> tuple[Filter, ...]:
    """The parts that a run must pass, each of them."""
    if filter is None:
        return ()
    if isinstance(filter, Both) and filter.op == "and":
        return tuple(part for each in filter.parts for part in parts_of(each))
    return (filter,)


def every(*filters: Filter | None) -> Filter | None:
    """The filter that runs pass which pass all of these; None lets everything through."""
    parts = tuple(part for each in filters for part in parts_of(each))
    return parts[0] if len(parts) == 1 else Both("and", parts) if parts else None
