"""Gates: who judges whether a name may move to a model version."""

from __future__ import annotations

from typing import Protocol

from clew.core.types.gate import Evidence, GateReport

__all__ = ["Gate"]


class Gate(Protocol):
    """Judges evidence. Pure: it reads nothing else, so the same evidence gives the same report, anywhere.

    Who moves a name calls `judge` with the champion as it is, stores the report, and moves only if the champion is
    still the same and `report.passed`. Threads may share one.
    """

    def guarded(self, model: str) -> tuple[str, ...]:
        """The names of a model that only a version which passes may have."""
        ...

    def judge(self, candidate: Evidence, champion: Evidence | None, *, at_us: int) -> GateReport:
        """Judge a version against the champion, or alone when there is none.

        What is missing in the evidence or does not fit together is a `cannot_tell`, not an error; `Invalid` is raised
        for numbers that are none.
        """
        ...
