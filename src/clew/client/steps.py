"""The step cache on a server."""

from __future__ import annotations

from collections.abc import Sequence

from clew.client.connection import Connection, quoted
from clew.core.ids import Digest
from clew.core.types.step import StepEntry, StepRun

__all__ = ["HttpSteps"]


class HttpSteps:
    """`clew.core.contracts.services.StepService` over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def find(self, key: Digest) -> StepEntry | None:
        return next(iter(self._c.get("/steps", list[StepEntry], key=key)), None)

    def put(self, entries: Sequence[StepEntry], steps: Sequence[StepRun]) -> None:
        self._c.pack("/steps", {"entries": entries, "steps": steps})

    def newest(self, step: str, *, limit: int = 10) -> list[StepEntry]:
        return self._c.get("/steps", list[StepEntry], step=step, limit=limit)

    def of_run(self, run: str) -> list[StepRun]:
        return self._c.get(f"/runs/{quoted(run)}/steps", list[StepRun])
