"""Projects in SQL."""

from __future__ import annotations

from clew.core.errors import Exists
from clew.core.types.project import Project
from clew.store.ledger.sql.connection import Connection, Document

__all__ = ["SqlProjects"]

_document = Document(Project)


class SqlProjects:
    """`clew.core.contracts.ledger.Projects`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def add(self, project: Project) -> None:
        sql = "INSERT INTO projects (id, name, document) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        if not self._c.change(sql, (project.id, project.name, _document.text(project))):
            raise Exists("project", project.name)

    def find(self, name: str) -> Project | None:
        return _document.one(self._c.rows("SELECT document FROM projects WHERE name = ?", (name,)))

    def get(self, name: str) -> Project:
        return _document.get(self._c.rows("SELECT document FROM projects WHERE name = ?", (name,)), "project", name)

    def list(self) -> list[Project]:
        return _document.all(self._c.rows("SELECT document FROM projects ORDER BY name"))
