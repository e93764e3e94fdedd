"""What verification finds, and what it says as a whole."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from clew.core.types.event import Event

__all__ = ["Found", "Problem", "Problems", "Verification", "named"]

_MOST = 1000


class Found(StrEnum):
    """What is wrong. Doubtful is an event of which nothing shows any more whether it is what was sealed."""

    CHANGED = "changed"
    DOUBTFUL = "doubtful"
    MISSING = "missing"
    INSERTED = "inserted"
    MOVED = "moved"
    HASH = "hash"
    COLUMN = "column"
    TAIL = "tail"
    ROW = "row"
    UNCLAIMED = "unclaimed"
    CHECKPOINT = "checkpoint"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was recorded.

    `position`, `id`, `kind` and `at_us` name the event as far as it is known; `row` names a row of the state.
    """

    found: Found
    text: str
    position: int = 0
    id: str = ""
    kind: str = ""
    at_us: int = 0
    row: str = ""


class Problems:
    """A list that does not grow without bound: a chain of a million events may be wrong a million times."""

    def __init__(self) -> None:
        self.first: list[Problem] = []
        self.count = 0

    def add(self, problem: Problem) -> None:
        """Keep a problem, or only count it."""
        self.count += 1
        if len(self.first) < _MOST:
            self.first.append(problem)


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at the whole record found.

    `size` and `root` are those of the chain, `events` were looked at, `rows` of the state were compared with what
    events say of them; `problems` are the first of `problem_count`; `unknown` says what cannot be known.
    """

    size: int
    root: str
    events: int
    rows: int
    waiting: int
    checkpoints: int
    problem_count: int
    problems: list[Problem]
    unknown: list[str]

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem_count


def named(found: Found, position: int, event: Event | None, text: str, *, row: str = "") -> Problem:
    """A problem of an event, as far as it can be read."""
    if event is None:
        return Problem(found=found, text=text, position=position, row=row)
    return Problem(found=found, text=text, position=position, id=event.id, kind=event.kind, at_us=event.at_us, row=row)
