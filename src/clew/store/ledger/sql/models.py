"""Models, their versions and aliases in SQL."""

from __future__ import annotations

from clew.core.errors import Conflict, NotFound
from clew.core.paging import Page
from clew.core.types.model import Alias, Model, ModelVersion
from clew.store.ledger.sql.connection import Connection, Document
from clew.store.ledger.sql.named import Named
from clew.store.ledger.sql.versions import page_of_versions

__all__ = ["SqlModels"]

_model = Document(Model)
_version = Document(ModelVersion)
_move = Document(Alias)


class SqlModels(Named[Model]):
    """`clew.core.contracts.ledger.Models`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, table="models", noun="model", document=_model)

    def add_version(self, version: ModelVersion) -> None:
        added = self._c.change(
            "INSERT INTO model_versions (model, number, id, run, document) SELECT ?, ?, ?, ?, ? "
            "WHERE ? = (SELECT COALESCE(MAX(number), 0) + 1 FROM model_versions WHERE model = ?) "
            "ON CONFLICT DO NOTHING",
            (
                version.model,
                version.number,
                version.id,
                version.run,
                _version.text(version),
                version.number,
                version.model,
            ),
        )
        if not added:
            raise Conflict(
                f"{version.reference} cannot be added: another writer added a version of {version.name!r} meanwhile",
                hint="register it again",
            )

    def put_version(self, version: ModelVersion) -> None:
        changed = self._c.change(
            "UPDATE model_versions SET run = ?, document = ? WHERE model = ? AND number = ? AND id = ?",
            (version.run, _version.text(version), version.model, version.number, version.id),
        )
        if not changed:
            raise NotFound("model version", version.id)

    def version(self, id: str) -> ModelVersion:
        rows = self._c.rows("SELECT document FROM model_versions WHERE id = ?", (id,))
        return _version.get(rows, "model version", id)

    def find_version(self, model: str, number: int) -> ModelVersion | None:
        sql = "SELECT document FROM model_versions WHERE model = ? AND number = ?"
        return _version.one(self._c.rows(sql, (model, number)))

    def newest(self, model: str) -> ModelVersion | None:
        sql = "SELECT document FROM model_versions WHERE model = ? ORDER BY number DESC LIMIT 1"
        return _version.one(self._c.rows(sql, (model,)))

    def versions(self, model: str, *, limit: int = 100, after: str = "") -> Page[ModelVersion]:
        return page_of_versions(
            self._c, _version, table="model_versions", owner=("model", model), limit=limit, after=after
        )

    def move_alias(self, move: Alias) -> None:
        added = self._c.change(
            "INSERT INTO alias_moves (model, alias, position, document) SELECT ?, ?, ?, ? "
            "WHERE ? = (SELECT COALESCE(MAX(position), 0) + 1 FROM alias_moves WHERE model = ? AND alias = ?) "
            "ON CONFLICT DO NOTHING",
            (move.model, move.alias, move.position, _move.text(move), move.position, move.model, move.alias),
        )
        if not added:
            raise Conflict(f"alias {move.alias!r} was moved by somebody else meanwhile", hint="look at it and repeat")

    def aliases(self, model: str) -> list[Alias]:
        sql = (
            "SELECT document FROM alias_moves m WHERE model = ? AND position = "
            "(SELECT MAX(position) FROM alias_moves WHERE model = m.model AND alias = m.alias) ORDER BY alias"
        )
        return [move for move in _move.all(self._c.rows(sql, (model,))) if move.number]

    def move(self, model: str, alias: str, position: int) -> Alias:
        sql = "SELECT document FROM alias_moves WHERE model = ? AND alias = ? AND position = ?"
        return _move.get(self._c.rows(sql, (model, alias, position)), "move", f"{alias}/{position}")

    def moves(self, model: str, alias: str) -> list[Alias]:
        sql = "SELECT document FROM alias_moves WHERE model = ? AND alias = ? ORDER BY position"
        return _move.all(self._c.rows(sql, (model, alias)))

    def list(self, project: str) -> list[Model]:
        return [model for model in super().list(project) if not model.deleted_us]
