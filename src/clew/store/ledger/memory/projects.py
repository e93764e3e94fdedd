"""Projects in memory."""

from __future__ import annotations

from clew.core.errors import Exists, NotFound
from clew.core.types.project import Project
from clew.store.ledger.memory.tables import Tables

__all__ = ["MemoryProjects"]


class MemoryProjects:
    """`clew.core.contracts.ledger.Projects`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.projects

    def add(self, project: Project) -> None:
        if project.name in self._rows:
            raise Exists("project", project.name)
        self._rows[project.name] = project

    def find(self, name: str) -> Project | None:
        return self._rows.get(name)

    def get(self, name: str) -> Project:
        if name not in self._rows:
            raise NotFound("project", name)
        return self._rows[name]

    def list(self) -> list[Project]:
        return sorted(self._rows.values(), key=lambda project: project.name)
