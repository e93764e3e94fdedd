"""Where to look first: the few runs that the rarest part of a filter holds for, or the first ones of the order.

Both read an index for a bounded number of rows. Not what is done with the candidates (`search`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from clew.core.judging import NUMBER, Key, as_number, as_text
from clew.core.types.filter import NEWEST, Comparison, Field, Filter, Not, Search, parts_of
from clew.store.ledger.sql.connection import Connection
from clew.store.ledger.sql.search_source import source_of

__all__ = ["Candidates", "names_experiment", "rare", "walks"]

_RARE = 512
_STEPS = (256, 2048)
_PREFIX = 64
_END_US = 2.0**63
_RANGES = ("=", "<", "<=", ">", ">=")
_PLAIN = {
    "experiment": "search_runs s WHERE s.experiment IN ({})",
    "id": "search_runs s WHERE s.run IN ({})",
    "parent": "runs p CROSS JOIN search_runs s WHERE p.parent IN ({}) AND s.run = p.id",
}
"""What an index finds the runs of a plain field by."""


class Candidates(NamedTuple):
    """Runs to look at: a query of `run` (its number) and `value`, without its limit.

    Where they come by value there may be others equal to the last, which is the `worst`; `complete` says that where
    the query ends there are no more runs.
    """

    sql: str
    given: tuple[object, ...]
    limit: int
    worst: Callable[[Iterable[float]], float] | None = None
    complete: bool = True


def rare(
    connection: Connection, project: str, parts: Sequence[Filter], experiments: Mapping[str, str]
) -> Candidates | None:
    """The candidates by one part of the filter that holds for few runs, if there is one."""
    for part in parts:
        query = _holding(project, part, experiments)
        if query is not None:
            sql, given = query
            counted = f"SELECT COUNT(*) FROM (SELECT 1 FROM ({sql} LIMIT {_RARE}) w) n"
            if connection.rows(counted, given)[0][0] < _RARE:
                return Candidates(sql, given, _RARE)
    return None


_Query = tuple[str, tuple[object, ...]]


def _holding(project: str, part: Filter, experiments: Mapping[str, str]) -> _Query | None:
    """A query of the runs that a filter holds for, and perhaps some more, where indexes answer it."""
    if isinstance(part, Comparison):
        return _compared(project, part, experiments)
    if isinstance(part, Not):
        return None
    found = [_holding(project, each, experiments) for each in part.parts]
    there = [each for each in found if each is not None]
    if part.op == "and":
        return there[0] if there else None
    if len(there) < len(found):
        return None
    # each is read for as many rows as make it none that is rare
    queries = (f"SELECT run, value FROM (SELECT run, value FROM ({sql}) w LIMIT {_RARE}) w" for sql, _ in there)
    return " UNION ".join(queries), tuple(value for _, given in there for value in given)


def _compared(project: str, part: Comparison, experiments: Mapping[str, str]) -> _Query | None:
    field, values = part.field, part.values
    if part.op not in (*_RANGES, "in") or any(value is None for value in values):
        return None
    if not field.name and part.op in ("=", "in") and field.kind in _PLAIN:
        texts = [str(value) for value in values]
        known = [experiments.get(text, "") if field.kind == "experiment" else as_text(text) for text in texts]
        where = _PLAIN[field.kind].format(", ".join("?" * len(known)))
        # the expression keeps SQLite from going through the whole project
        return f"SELECT s.number AS run, 0 AS value FROM {where} AND s.project || '' = ?", (*known, project)
    if not field.name or (field.kind == "metric" and field.aggregate != "last"):
        return None
    texts = [as_text(value)[:_PREFIX] for value in values if isinstance(value, str)]
    numbers = [as_number(value or 0) for value in values if not isinstance(value, str)]
    if texts and (part.op not in ("=", "in") or field.kind == "metric"):  # whose values are no texts
        return None
    source = source_of(project, field)
    number = "last" if field.kind == "metric" else "number"
    queries: list[str] = []
    given: list[object] = []
    for wanted, column in ((texts, f"text IS NOT NULL AND substr(text, 1, {_PREFIX})"), (numbers, number)):
        if wanted:
            tail = f"IN ({', '.join('?' * len(wanted))})" if part.op == "in" else f"{part.op} ?"
            queries.append(f"SELECT run, 0 AS value FROM {source.table} WHERE field = ? AND {column} {tail}")
            given += [source.field, *wanted]
    return " UNION ALL ".join(queries), tuple(given)


def walks(
    project: str, search: Search, keys: Sequence[Key], behind: str, experiments: Mapping[str, str], *, far: bool
) -> Iterator[Candidates]:
    """The first runs of the order, from a cursor on: a few, then more if it may go far."""
    for limit in _STEPS if far else _STEPS[:1]:
        if limit <= search.skip + search.limit:
            continue
        if search.order == NEWEST:
            if (query := newest(project, search, keys, behind, experiments)) is not None:
                yield Candidates(*query, limit)
        elif search.order and (found := _by_value(project, search, keys, limit)) is not None:
            yield found


def newest(
    project: str,
    search: Search,
    keys: Sequence[Key],
    behind: str,
    experiments: Mapping[str, str],
    *,
    deleted: bool | None = None,
) -> _Query | None:
    """A query of the newest runs from a cursor on, of one experiment where the filter says so.

    `deleted` asks for those in the trash or outside of it only. None where the cursor is of no time.
    """
    only = [part for part in parts_of(search.filter) if isinstance(part, Comparison) and names_experiment(part)]
    where: list[str] = ["s.project = ?"]
    given: list[object] = [project]
    if only:  # the expression leaves the index of experiments to SQLite
        where, given = (
            ["s.project || '' = ?", "s.experiment = ?"],
            [project, experiments.get(str(only[0].values[0]), "")],
        )
    if keys:
        kind, created_us = keys[0]
        if kind != NUMBER or not abs(float(created_us)) < _END_US:
            return None
        where.append("(s.created_us, s.run) < (?, ?)")
        given += [int(created_us), behind]
    if deleted is not None:
        where.append("s.deleted_us > 0" if deleted else "s.deleted_us = 0")
    sql = f"SELECT s.number AS run, s.created_us AS value FROM search_runs s WHERE {' AND '.join(where)}"
    return f"{sql} ORDER BY s.created_us DESC, s.run DESC", tuple(given)


def names_experiment(part: Filter) -> bool:
    """Whether a part asks for the runs of one experiment."""
    return isinstance(part, Comparison) and part.field == Field("experiment") and part.op == "="


def _by_value(project: str, search: Search, keys: Sequence[Key], limit: int) -> Candidates | None:
    field, descending = search.order[0]
    if not field.name or (field.kind == "metric" and field.aggregate != "last"):
        return None
    source = source_of(project, field)
    column = "last" if field.kind == "metric" else "number"
    given: list[object] = [source.field]
    after = ""
    if keys:
        kind, value = keys[0]
        if kind != NUMBER:
            return None
        after = f" AND {column} {'<=' if descending else '>='} ?"
        given.append(value)
    way = " DESC" if descending else ""
    sql = (
        f"SELECT run, {column} AS value FROM {source.table} WHERE field = ? AND {column} IS NOT NULL{after} "
        f"ORDER BY {column}{way}, run{way}"
    )
    return Candidates(sql, tuple(given), limit, worst=min if descending else max, complete=False)
