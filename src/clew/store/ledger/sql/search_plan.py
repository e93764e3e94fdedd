"""Where to look first: the few runs that the rarest part of a filter holds for, or the first ones of the order.

Both read an index for a bounded number of rows. Not what is done with the candidates (`search`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from clew.core.judging import NUMBER, Key, as_number, as_text
from clew.core.types.filter import Comparison, Field, Filter, Search, Value, parts_of
from clew.store.ledger.sql.connection import Connection
from clew.store.ledger.sql.search_source import source_of

__all__ = ["Candidates", "names_experiment", "rare", "walks"]

_RARE = 512
_STEPS = (256, 2048)
_PREFIX = 64
_RANGES = ("=", "<", "<=", ">", ">=")


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
        if isinstance(part, Comparison):
            query = _holding(project, part, experiments)
            if query is not None:
                sql, given = query
                counted = f"SELECT COUNT(*) FROM (SELECT 1 FROM ({sql} LIMIT {_RARE}) w) n"
                if connection.rows(counted, given)[0][0] < _RARE:
                    return Candidates(sql, given, _RARE)
    return None


def _holding(project: str, part: Comparison, experiments: Mapping[str, str]) -> tuple[str, tuple[object, ...]] | None:
    """A query of the runs for which a comparison holds, and perhaps some more, where an index answers it."""
    field, values = part.field, part.values
    if part.op not in (*_RANGES, "in") or any(value is None for value in values):
        return None
    if field == Field("experiment") and part.op in ("=", "in"):
        ids = [experiments.get(str(value), "") for value in values]
        marks = ", ".join("?" * len(ids))
        return f"SELECT number AS run, 0 AS value FROM search_runs WHERE experiment IN ({marks})", tuple(ids)
    if not field.name or (field.kind == "metric" and field.aggregate != "last"):
        return None
    texts = [value for value in values if isinstance(value, str)]
    if texts and (len(texts) < len(values) or part.op not in ("=", "in")):
        return None
    source = source_of(project, field)
    column = f"substr(text, 1, {_PREFIX})" if texts else ("last" if field.kind == "metric" else "number")
    tail, given = _tail(part.op, values)
    there = " AND text IS NOT NULL" if texts else ""
    return f"SELECT run, 0 AS value FROM {source.table} WHERE field = ? AND {column} {tail}{there}", (
        source.field,
        *given,
    )


def _tail(op: str, values: Sequence[Value]) -> tuple[str, list[object]]:
    given = [as_text(each)[:_PREFIX] if isinstance(each, str) else as_number(each or 0) for each in values]
    if op == "in":
        return f"IN ({', '.join('?' * len(given))})", list(given)
    return f"{op} ?", list(given)


def walks(
    project: str, search: Search, keys: Sequence[Key], behind: str, experiments: Mapping[str, str], *, far: bool
) -> Iterator[Candidates]:
    """The first runs of the order, from a cursor on: a few, then more if it may go far."""
    for limit in _STEPS if far else _STEPS[:1]:
        if limit <= search.limit:
            continue
        if not search.order:
            yield _newest(project, search, behind, experiments, limit)
        elif (found := _by_value(project, search, keys, limit)) is not None:
            yield found


def _newest(project: str, search: Search, behind: str, experiments: Mapping[str, str], limit: int) -> Candidates:
    only = [part for part in parts_of(search.filter) if isinstance(part, Comparison) and names_experiment(part)]
    column, given = ("experiment", [experiments.get(str(only[0].values[0]), "")]) if only else ("project", [project])
    after = " AND s.run < ?" if behind else ""
    more = [behind] if behind else []
    sql = f"SELECT s.number AS run, s.run AS value FROM search_runs s WHERE s.{column} = ?{after} ORDER BY s.run DESC"
    return Candidates(sql, (*given, *more), limit)


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
