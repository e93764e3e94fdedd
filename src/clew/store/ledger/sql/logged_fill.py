"""Takes what was measured of logged models out of their documents, where ledgers of before kept it."""

from __future__ import annotations

import json

from clew.store.ledger.sql.connection import Connection, rows_in_order

__all__ = ["fill_logged_metrics"]

_ADD = "INSERT INTO logged_metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"


def fill_logged_metrics(connection: Connection) -> None:
    """Give each number a row, and take it out of the document of its model."""
    for id_, document in rows_in_order(connection, "logged_models", ["id"], ["document"]):
        try:
            model = json.loads(document)
            rows = [_row(id_, metric) for metric in model.pop("metrics", [])]
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # what cannot be read stays as it is; who verifies the ledger is told
        if rows:
            connection.change_many(_ADD, rows)
            text = json.dumps(model, ensure_ascii=False, separators=(",", ":"))
            connection.change("UPDATE logged_models SET document = ? WHERE id = ?", (text, id_))


def _row(model: str, metric: dict[str, object]) -> tuple[object, ...]:
    """A row as this migration knows it, whatever columns a later one adds."""
    names = ("key", "time_us", "step", "run")
    value = repr(float(str(metric["value"])))
    return (model, *(metric[name] for name in names), metric.get("dataset", ""), metric.get("digest", ""), value)
