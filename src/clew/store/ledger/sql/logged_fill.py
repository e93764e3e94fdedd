"""Takes what was measured of logged models out of their documents, where ledgers of before kept it."""

from __future__ import annotations

import json

from clew.store.ledger.sql.connection import Connection, rows_in_order

__all__ = ["fill_logged_metrics"]

_ADD = "INSERT INTO logged_metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"

_LONGEST_BYTES = 2500
"""What an index of PostgreSQL takes for sure."""


def fill_logged_metrics(connection: Connection) -> None:
    """Give each number a row, and take it out of the document of its model."""
    for (id_,) in rows_in_order(connection, "logged_models", ["id"], []):  # a document may hold thousands of numbers
        ((document,),) = connection.rows("SELECT document FROM logged_models WHERE id = ?", (id_,))
        try:
            model = json.loads(document)
            rows = [_row(id_, metric) for metric in model.pop("metrics", [])]
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # what cannot be read stays as it is; who verifies the ledger is told
        if rows and all(map(_fits, rows)):
            connection.change_many(_ADD, rows)
            text = json.dumps(model, ensure_ascii=False, separators=(",", ":"))
            connection.change("UPDATE logged_models SET document = ? WHERE id = ?", (text, id_))


def _fits(row: tuple[object, ...]) -> bool:
    """Whether every database takes it: nothing else can be done with what does not, and it stays in the document."""
    text = "".join(map(str, row))
    return "\0" not in text and len(text.encode(errors="replace")) < _LONGEST_BYTES


def _row(model: str, metric: dict[str, object]) -> tuple[object, ...]:
    """A row as this migration knows it, whatever columns a later one adds."""
    names = ("key", "time_us", "step", "run")
    value = repr(float(str(metric["value"])))
    return (model, *(metric[name] for name in names), metric.get("dataset", ""), metric.get("digest", ""), value)
