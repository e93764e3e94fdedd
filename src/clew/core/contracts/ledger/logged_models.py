"""Models as runs logged them, and what runs say that they used or made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clew.core.types.logged_model import LoggedMetric, LoggedModel
from clew.core.types.run_input import RunInput

__all__ = ["LoggedModels", "RunInputs"]


class RunInputs(Protocol):
    """What runs say that they used or made."""

    def put(self, inputs: Sequence[RunInput]) -> None:
        """Add or replace, by run, role, name, digest and model."""
        ...

    def list(self, runs: Sequence[str]) -> list[RunInput]:
        """Those of these runs, by run, role, name, digest and model."""
        ...


class LoggedModels(Protocol):
    """Models as runs logged them."""

    def add(self, model: LoggedModel) -> None: ...
    def put(self, model: LoggedModel) -> None:
        """Replace the logged model of the same id."""
        ...

    def get(self, id: str) -> LoggedModel: ...
    def measure(self, metrics: Sequence[LoggedMetric]) -> None:
        """Add numbers; what is there already, in every field, is skipped."""
        ...

    def metrics(self, models: Sequence[str], *, key: str = "") -> list[LoggedMetric]:
        """Those of these models, or of one key of them, by model, key, time, step, run, dataset, digest and the text of
        the value."""
        ...

    def forget_metrics(self, model: str) -> None:
        """Remove all numbers of a model."""
        ...

    def list(self, project: str, *, experiments: Sequence[str] = (), run: str = "") -> list[LoggedModel]:
        """Newest first, those in the trash too; of these experiments or this run only where some are given."""
        ...
