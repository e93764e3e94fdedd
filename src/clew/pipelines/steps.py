"""The step cache and the steps of runs, in place over the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from clew.core.contracts.ledger import Durability
from clew.core.contracts.stores import Stores
from clew.core.ids import Digest
from clew.core.types.edge import node
from clew.core.types.step import StepEntry, StepRun
from clew.store.owner import check_mine

__all__ = ["LedgerSteps"]


class LedgerSteps:
    """`clew.core.contracts.services.StepService` over a project's stores.

    What it keeps survives *kill*: losing the machine costs the time of the last steps, nothing else.
    """

    def __init__(self, stores: Stores) -> None:
        self._ledger, self._project = stores.ledger, stores.project

    def find(self, key: Digest) -> StepEntry | None:
        with self._ledger.read() as tx:
            return tx.steps.find(self._project, key)

    def put(self, entries: Sequence[StepEntry], steps: Sequence[StepRun]) -> None:
        runs = {entry.run for entry in entries} | {step.run for step in steps}
        within = node("run", runs.pop()) if len(runs) == 1 else ""
        with self._ledger.write(Durability.KILL, within=within) as tx:
            check_mine(tx, self._project, [node("run", run) for run in runs if run])
            tx.steps.put(entries)
            tx.steps.record(steps)

    def newest(self, step: str, *, limit: int = 10) -> list[StepEntry]:
        with self._ledger.read() as tx:
            return tx.steps.newest(self._project, step, limit=limit)

    def of_run(self, run: str) -> list[StepRun]:
        with self._ledger.read() as tx:
            check_mine(tx, self._project, [node("run", run)])
            return tx.steps.of_run(run)
