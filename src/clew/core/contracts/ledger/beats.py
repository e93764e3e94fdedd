"""Signs of life of runs."""

from __future__ import annotations

from typing import Protocol

from clew.core.types.beat import Beat

__all__ = ["Beats"]


class Beats(Protocol):
    """Signs of life of running runs."""

    def add(self, run: str, project: str, *, at_us: int) -> None:
        """Count one more."""
        ...

    def list(self, project: str) -> list[Beat]:
        """The runs of a project that have given any, by run."""
        ...

    def remove(self, run: str) -> None:
        """No more are expected."""
        ...
