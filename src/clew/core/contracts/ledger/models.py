"""Models, their versions, and their aliases."""

from __future__ import annotations

from typing import Protocol

from clew.core.paging import Page
from clew.core.types.model import Alias, Model, ModelVersion

__all__ = ["Models"]


class Models(Protocol):
    """Models, their versions, and their aliases."""

    def add(self, model: Model) -> None: ...
    def put(self, model: Model) -> None:
        """Replace the model of the same id. `Exists` when another one has its name."""
        ...

    def find(self, project: str, name: str) -> Model | None: ...
    def get(self, id: str) -> Model: ...
    def add_version(self, version: ModelVersion) -> None:
        """`Conflict` unless `number` is one more than the newest."""
        ...

    def put_version(self, version: ModelVersion) -> None:
        """Replace the version of the same model, number and id. `NotFound` when there is none."""
        ...

    def version(self, id: str) -> ModelVersion: ...
    def find_version(self, model: str, number: int) -> ModelVersion | None: ...
    def newest(self, model: str) -> ModelVersion | None:
        """The version of the greatest number, also where it was deleted."""
        ...

    def versions(self, model: str, *, limit: int = 100, after: str = "") -> Page[ModelVersion]: ...
    def move_alias(self, move: Alias) -> None:
        """`Conflict` unless `position` is one more than the last move of this alias (1 for the first)."""
        ...

    def aliases(self, model: str) -> list[Alias]:
        """The move that holds for each alias, by alias; those that nobody holds are left out."""
        ...

    def move(self, model: str, alias: str, position: int) -> Alias:
        """One move of an alias."""
        ...

    def moves(self, model: str, alias: str) -> list[Alias]:
        """Every move of one alias, oldest first."""
        ...

    def list(self, project: str) -> list[Model]:
        """All of them by name, but for those that were deleted."""
        ...
