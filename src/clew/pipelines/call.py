"""One call of a step on its way, and the place that it happens in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.core.clock import Clock
from clew.core.contracts.objects import Objects
from clew.core.contracts.services import StepService
from clew.pipelines.arguments import Arguments
from clew.pipelines.cache import Trail
from clew.pipelines.closure import Closure
from clew.pipelines.key import Key

if TYPE_CHECKING:
    from clew.pipelines.step import Step

__all__ = ["Call", "Place"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a session keeps things: the services and stores of one project.

    `folder` is the project's `.clew` folder: what steps read there is clew's own; what they write beside it, below its
    parent, is a result.
    """

    steps: StepService
    objects: Objects
    project: str
    clock: Clock
    folder: Path


@dataclass(slots=True)
class Call:
    """One call of a step on its way. `key` and `trail` are None when the step is not cached."""

    step: Step[..., Any]
    arguments: Arguments
    position: int
    started_us: int
    inputs: list[int]
    closure: Closure | None = None
    key: Key | None = None
    trail: Trail | None = None

    def ingredients(self) -> dict[str, str]:
        """Everything that the result depends on, as far as it is known, by name."""
        closure = self.closure.ingredients if self.closure is not None else {}
        own = self.key.ingredients if self.key is not None else {}
        return {**closure, **own, **(self.trail.reads if self.trail is not None else {})}
