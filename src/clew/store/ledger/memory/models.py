"""Models, their versions, and their aliases, in memory."""

from __future__ import annotations

from clew.core.errors import Conflict, NotFound
from clew.core.paging import Page
from clew.core.types.model import Alias, Model, ModelVersion
from clew.store.ledger.memory.named import NamedRows
from clew.store.ledger.memory.tables import Tables
from clew.store.ledger.memory.versions import page_of_versions

__all__ = ["MemoryModels"]


class MemoryModels(NamedRows[Model]):
    """`clew.core.contracts.ledger.Models`."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables.models, "model")
        self._versions, self._moves = tables.model_versions, tables.moves

    def put_version(self, version: ModelVersion) -> None:
        there = self._versions.get((version.model, version.number))
        if there is None or there.id != version.id:
            raise NotFound("model version", version.id)
        self._versions[version.model, version.number] = version

    def _newest_first(self, model: str) -> list[ModelVersion]:
        found = [version for version in self._versions.values() if version.model == model]
        return sorted(found, key=lambda version: -version.number)

    def add_version(self, version: ModelVersion) -> None:
        newest = self.newest(version.model)
        if version.number != (newest.number if newest else 0) + 1:
            raise Conflict(
                f"{version.reference} cannot be added: another writer added a version of {version.name!r} meanwhile",
                hint="register it again",
            )
        self._versions[version.model, version.number] = version

    def version(self, id: str) -> ModelVersion:
        for version in self._versions.values():
            if version.id == id:
                return version
        raise NotFound("model version", id)

    def find_version(self, model: str, number: int) -> ModelVersion | None:
        return self._versions.get((model, number))

    def newest(self, model: str) -> ModelVersion | None:
        return next(iter(self._newest_first(model)), None)

    def versions(self, model: str, *, limit: int = 100, after: str = "") -> Page[ModelVersion]:
        return page_of_versions(self._newest_first(model), limit=limit, after=after)

    def move_alias(self, move: Alias) -> None:
        if move.position != len(self.moves(move.model, move.alias)) + 1:
            raise Conflict(f"alias {move.alias!r} was moved by somebody else meanwhile", hint="look at it and repeat")
        self._moves[move.model, move.alias, move.position] = move

    def aliases(self, model: str) -> list[Alias]:
        names = sorted({move.alias for move in self._moves.values() if move.model == model})
        return [move for move in (self.moves(model, name)[-1] for name in names) if move.number]

    def move(self, model: str, alias: str, position: int) -> Alias:
        if (model, alias, position) not in self._moves:
            raise NotFound("move", f"{alias}/{position}")
        return self._moves[model, alias, position]

    def moves(self, model: str, alias: str) -> list[Alias]:
        found = [move for move in self._moves.values() if (move.model, move.alias) == (model, alias)]
        return sorted(found, key=lambda move: move.position)

    def list(self, project: str) -> list[Model]:
        return [model for model in super().list(project) if not model.deleted_us]
