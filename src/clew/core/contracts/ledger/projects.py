"""Projects."""

from __future__ import annotations

from typing import Protocol

from clew.core.types.project import Project

__all__ = ["Projects"]


class Projects(Protocol):
    """Projects by name."""

    def add(self, project: Project) -> None: ...
    def get(self, name: str) -> Project: ...
    def find(self, name: str) -> Project | None: ...
    def list(self) -> list[Project]: ...
