"""The step cache, and the steps of runs, in memory."""

from __future__ import annotations

from collections.abc import Sequence

from clew.core.ids import Digest
from clew.core.types.step import StepEntry, StepRun
from clew.store.ledger.memory.tables import Tables, add_row

__all__ = ["MemorySteps"]


class MemorySteps:
    """`clew.core.contracts.ledger.Steps`."""

    def __init__(self, tables: Tables) -> None:
        self._entries, self._steps = tables.entries, tables.steps

    def find(self, project: str, key: Digest) -> StepEntry | None:
        return self._entries.get((project, key))

    def put(self, entries: Sequence[StepEntry]) -> None:
        for entry in entries:
            add_row(self._entries, (entry.project, entry.key), entry)

    def newest(self, project: str, step: str, *, limit: int = 10) -> list[StepEntry]:
        found = [entry for entry in self._entries.values() if (entry.project, entry.step) == (project, step)]
        return sorted(found, key=lambda entry: (-entry.created_us, entry.key))[:limit]

    def forget(self, run: str) -> None:
        for key in [key for key in self._steps if key[0] == run]:
            del self._steps[key]

    def record(self, steps: Sequence[StepRun]) -> None:
        for step in steps:
            self._steps[step.run, step.position] = step

    def of_run(self, run: str) -> list[StepRun]:
        return sorted((step for step in self._steps.values() if step.run == run), key=lambda step: step.position)
