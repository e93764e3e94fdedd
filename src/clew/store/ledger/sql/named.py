"""What datasets, models and endpoints share: a document under a name in a project."""

from __future__ import annotations

from typing import Generic, TypeVar

from clew.core.errors import Exists
from clew.core.types.dataset import Dataset
from clew.core.types.endpoint import Endpoint
from clew.core.types.model import Model
from clew.store.ledger.sql.connection import Connection, Document

__all__ = ["Named"]


T = TypeVar("T", bound=Dataset | Model | Endpoint)


class Named(Generic[T]):
    """A table of documents that are unique by (project, name)."""

    def __init__(self, connection: Connection, *, table: str, noun: str, document: Document[T]) -> None:
        self._c, self._table, self._noun, self._document = connection, table, noun, document

    def add(self, thing: T) -> None:
        added = self._c.change(
            f"INSERT INTO {self._table} (id, project, name, document) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (thing.id, thing.project, thing.name, self._document.text(thing)),
        )
        if not added:
            raise Exists(self._noun, thing.name)

    def put(self, thing: T) -> None:
        other = self.find(thing.project, thing.name)
        if other is not None and other.id != thing.id:
            raise Exists(self._noun, thing.name)
        self._c.change(
            f"INSERT INTO {self._table} (id, project, name, document) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET name = excluded.name, document = excluded.document",
            (thing.id, thing.project, thing.name, self._document.text(thing)),
        )

    def get(self, id: str) -> T:
        rows = self._c.rows(f"SELECT document FROM {self._table} WHERE id = ?", (id,))
        return self._document.get(rows, self._noun, id)

    def find(self, project: str, name: str) -> T | None:
        sql = f"SELECT document FROM {self._table} WHERE project = ? AND name = ?"
        return self._document.one(self._c.rows(sql, (project, name)))

    def list(self, project: str) -> list[T]:
        sql = f"SELECT document FROM {self._table} WHERE project = ? ORDER BY name"
        return self._document.all(self._c.rows(sql, (project,)))
