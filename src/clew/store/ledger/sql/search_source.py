"""Where the value of a field stands in the index of searches, and how rows of it become a column."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from clew.core.types.filter import Field
from clew.store.ledger.sql.connection import Connection, Row
from clew.store.ledger.sql.search_column import Column
from clew.store.ledger.sql.search_index import METRIC_COLUMNS, number_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Place = Callable[[NDArray[np.int64]], NDArray[np.int64]]

__all__ = ["Source", "fill", "load", "renamed", "source_of"]

_TEXTS = {
    "id": "run",
    "name": "name",
    "status": "status",
    "kind": "kind",
    "experiment": "experiment",
    "parent": "parent",
    "commit": "revision",
    "created_by": "created_by",
}
_MOST_TEXTS, _LONG = 4096, 32_768
"""How many texts come joined, and from how many characters on one comes by itself: no value reaches a gigabyte."""
_NUMBERS = {
    "created": "{0}.created_us",
    "created.ms": "{0}.created_us / 1000",
    "ended": "NULLIF({0}.ended_us, 0)",
    "ended.ms": "NULLIF({0}.ended_us / 1000, 0)",
    "duration": "CASE WHEN {0}.ended_us > 0 THEN ({0}.ended_us - {0}.created_us) / 1e6 END",
    "deleted": "NULLIF({0}.deleted_us, 0)",
}


class Source(NamedTuple):
    """A table, the number of the field in it (None where a row of the table has it), and what to select.

    `number` and `text` are expressions over an alias `{0}`; both are NULL where a run has no value. A metric has one
    wherever it has a row: NULL is NaN.
    """

    table: str
    field: int | None
    number: str
    text: str

    @property
    def run(self) -> str:
        """The column that holds the number of the run."""
        return "number" if self.field is None else "run"

    @property
    def always_number(self) -> bool:
        """Whether a row is a number, NULL being NaN."""
        return self.table == "search_metrics"


def source_of(project: str, field: Field) -> Source:
    """The source of a field."""
    if field.kind == "metric":
        number = number_of(project, "metric", field.name)
        column = "1.0" if field.aggregate == "there" else f"{{0}}.{METRIC_COLUMNS[field.aggregate]}"
        return Source("search_metrics", number, column, "NULL")
    if field.name:
        return Source("search_values", number_of(project, field.kind, field.name), "{0}.number", "{0}.text")
    if field.kind in _TEXTS:
        return Source("search_runs", None, "NULL", f"NULLIF({{0}}.{_TEXTS[field.kind]}, '')")
    return Source("search_runs", None, _NUMBERS[str(field)], "NULL")


def load(connection: Connection, column: Column, source: Source, project: str, place: Place) -> None:
    """Set what every run has in a field.

    Args:
        connection: within a transaction.
        column: of the field.
        source: of the field.
        project: whose runs.
        place: tells the positions of runs by their numbers; −1 for those that are left out.
    """
    import numpy as np

    where = "v.project = ?" if source.field is None else "v.field = ?"
    given = (project if source.field is None else source.field,)
    run, number, text = f"v.{source.run}", source.number.format("v"), source.text.format("v")
    rows = f"{source.table} v WHERE {where} AND"
    if number != "NULL":
        found = connection.numbers([run, number], f"{rows} {number} IS NOT NULL", given)
        _put(column.set_numbers, place(found[:, 0].astype(np.int64)), found[:, 1])
    if source.always_number:
        found = connection.numbers([run], f"{rows} {number} IS NULL", given)
        _put(column.set_numbers, place(found[:, 0].astype(np.int64)), found[:, 0] * math.nan)
    if text != "NULL":
        # `run` is a number there and an id here: what an index has the rows in the order of
        key: object = "" if source.field is None else -1
        page = f"{rows} v.run > ? AND length({text}) <= {_LONG} ORDER BY v.run LIMIT {_MOST_TEXTS}"
        sql = f"SELECT v.run AS key, {run} AS number, {text} AS text FROM {page}"
        while some := connection.texts(sql, (*given, key)):
            key, numbers, texts = some
            _put(column.set_texts, place(numbers), texts)
        for only, long in connection.rows(f"SELECT {run}, {text} FROM {rows} length({text}) > {_LONG}", given):
            _put(column.set_texts, place(np.array([only])), [long])


def _put(put: Any, at: NDArray[np.int64], values: Any) -> None:
    """Set the values of runs that are not left out."""
    kept = at >= 0
    if kept.all():
        put(at, values)
    elif kept.any():
        put(at[kept], [value for value, here in zip(values, kept.tolist(), strict=True) if here])


def fill(column: Column, at: NDArray[np.int64], rows: Sequence[Row], source: Source) -> None:
    """Set what some runs have in a field.

    Args:
        column: of the field.
        at: the position of the run of each row.
        rows: run or None where there is no row, number, text.
        source: of the field.
    """
    if not rows:
        return
    runs, numbers, texts = zip(*rows, strict=True)
    if source.number != "NULL":
        _set(column.set_numbers, at, numbers, runs if source.always_number else numbers)
    if source.text != "NULL":
        _set(column.set_texts, at, texts, texts)


def _set(put: Any, at: NDArray[np.int64], values: Sequence[Any], given: Sequence[Any]) -> None:
    import numpy as np

    lacking = given.count(None)
    if not lacking:
        put(at, values)
    elif lacking < len(given):
        there = [each is not None for each in given]
        put(at[np.array(there, dtype=np.bool_)], [value for value, here in zip(values, there, strict=True) if here])


def renamed(column: Column, names: dict[str, str]) -> Column:
    """A column of ids as one of names; shares what it can. Different ids have different names."""
    found = Column(0)
    found.kinds, found.numbers, found.codes = column.kinds, column.numbers, column.codes
    found.texts.codes([names.get(text, f"\0{text}") for text in column.texts.texts])
    return found
