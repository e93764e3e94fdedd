"""Logged models, and what runs say that they used, in memory."""

from __future__ import annotations

from collections.abc import Sequence

from clew.core.errors import Exists, NotFound
from clew.core.types.logged_model import LoggedMetric, LoggedModel
from clew.core.types.run_input import RunInput
from clew.store.ledger.memory.tables import Tables, add_row

__all__ = ["MemoryLoggedModels", "MemoryRunInputs"]


class MemoryRunInputs:
    """`clew.core.contracts.ledger.RunInputs`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.inputs

    def put(self, inputs: Sequence[RunInput]) -> None:
        for each in inputs:
            self._rows[each.run, each.role, each.name, each.digest, each.model] = each

    def list(self, runs: Sequence[str]) -> list[RunInput]:
        return [self._rows[key] for key in sorted(self._rows) if key[0] in runs]


class MemoryLoggedModels:
    """`clew.core.contracts.ledger.LoggedModels`."""

    def __init__(self, tables: Tables) -> None:
        self._rows, self._metrics = tables.logged_models, tables.logged_metrics

    def add(self, model: LoggedModel) -> None:
        if model.id in self._rows:
            raise Exists("logged model", model.id)
        self._rows[model.id] = model

    def put(self, model: LoggedModel) -> None:
        self.get(model.id)
        self._rows[model.id] = model

    def get(self, id: str) -> LoggedModel:
        if id not in self._rows:
            raise NotFound("logged model", id)
        return self._rows[id]

    def measure(self, metrics: Sequence[LoggedMetric]) -> None:
        for m in metrics:
            key = (m.model, m.key, m.time_us, m.step, m.run, m.dataset, m.digest, repr(m.value))
            add_row(self._metrics, key, m)

    def metrics(self, models: Sequence[str], *, key: str = "") -> list[LoggedMetric]:
        return [self._metrics[at] for at in sorted(self._metrics) if at[0] in models and key in ("", at[1])]

    def forget_metrics(self, model: str) -> None:
        for key in [key for key in self._metrics if key[0] == model]:
            del self._metrics[key]

    def list(self, project: str, *, experiments: Sequence[str] = (), run: str = "") -> list[LoggedModel]:
        found = [
            row
            for row in self._rows.values()
            if row.project == project
            and (not experiments or row.experiment in experiments)
            and (not run or row.run == run)
        ]
        return sorted(found, key=lambda row: row.id, reverse=True)
