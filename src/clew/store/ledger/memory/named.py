"""What datasets, experiments, models and endpoints share: a row under a name in a project."""

from __future__ import annotations

from typing import Generic, TypeVar

from clew.core.errors import Exists, NotFound
from clew.core.types.dataset import Dataset
from clew.core.types.endpoint import Endpoint
from clew.core.types.model import Model
from clew.core.types.run import Experiment

__all__ = ["NamedRows"]


T = TypeVar("T", bound=Dataset | Experiment | Model | Endpoint)


class NamedRows(Generic[T]):
    """Things that are unique by (project, name)."""

    def __init__(self, rows: dict[str, T], noun: str) -> None:
        self._rows, self._noun = rows, noun

    def add(self, thing: T) -> None:
        if thing.id in self._rows or self.find(thing.project, thing.name) is not None:
            raise Exists(self._noun, thing.name)
        self._rows[thing.id] = thing

    def put(self, thing: T) -> None:
        other = self.find(thing.project, thing.name)
        if other is not None and other.id != thing.id:
            raise Exists(self._noun, thing.name)
        self._rows[thing.id] = thing

    def get(self, id: str) -> T:
        if id not in self._rows:
            raise NotFound(self._noun, id)
        return self._rows[id]

    def find(self, project: str, name: str) -> T | None:
        return next((row for row in self._rows.values() if (row.project, row.name) == (project, name)), None)

    def list(self, project: str) -> list[T]:
        return sorted((row for row in self._rows.values() if row.project == project), key=lambda row: row.name)
