"""Whether the columns beside a document say what it says: look-ups go by columns, and readers by documents."""

from __future__ import annotations

import json
from collections.abc import Iterator

from clew.store.ledger.sql.connection import Connection, Row, rows_in_order

__all__ = ["disagreements"]

TABLES: dict[str, tuple[list[str], list[str]]] = {
    "projects": (["id"], ["name"]),
    "datasets": (["id"], ["project", "name"]),
    "dataset_versions": (["dataset", "number"], ["id", "created_us"]),
    "log_batches": (
        ["dataset", "position"],
        ["source", "source_end", "rows", "time_low_us", "time_high_us", "id_low", "id_high"],
    ),
    "experiments": (["id"], ["project", "name"]),
    "runs": (["id"], ["project", "experiment", "name", "status", "parent", "deleted_us"]),
    "logged_models": (["id"], ["project", "experiment", "run", "name"]),
    "run_inputs": (["run", "role", "name", "digest", "model"], []),
    "artifacts": (["run", "path"], []),
    "models": (["id"], ["project", "name"]),
    "model_versions": (["model", "number"], ["id", "run"]),
    "alias_moves": (["model", "alias", "position"], []),
    "endpoints": (["id"], ["project", "name"]),
    "trials": (["id"], ["endpoint"]),
    "windows": (["endpoint", "start_us", "version"], []),
    "alerts": (["id"], ["endpoint", "key", "at_us"]),
}
"""Key columns, and the others; each has the name of the document's field."""


def disagreements(connection: Connection) -> Iterator[tuple[str, str]]:
    """Rows whose columns and document differ: the row as `table a/b`, and what differs."""
    for table, (key, others) in TABLES.items():
        for row in rows_in_order(connection, table, key, [*others, "document"]):
            what = _differs([*key, *others], row)
            if what:
                yield f"{table} {'/'.join(str(value) for value in row[: len(key)])}", what


def _differs(names: list[str], row: Row) -> str:
    try:
        document = json.loads(row[-1])
    except (ValueError, TypeError) as error:
        return f"its document is no JSON: {error}"
    if not isinstance(document, dict):
        return "its document is no object"
    for name, stored in zip(names, row, strict=False):
        if document.get(name, stored) != stored:  # a field that is left out has its default, as the column has
            return f"its column {name} holds {stored!r}, and its document says {document[name]!r}"
    return ""
