"""Steps: what the cache keeps, and what a run did."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from clew.core.ids import Digest

__all__ = ["StepEntry", "StepOutcome", "StepOutput", "StepRun"]


class StepOutcome(StrEnum):
    """What happened when a run reached a step."""

    EXECUTED = "executed"
    CACHED = "cached"
    FAILED = "failed"


class StepOutput(msgspec.Struct, frozen=True, kw_only=True):
    """One encoded value. Small ones stay in `inline`; others are the object named `digest`."""

    codec: str
    digest: Digest
    size_bytes: int
    inline: bytes | None = None


class StepEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A cache entry: under this key, this step gave this output.

    `ingredients` maps every part of the key by name to its digest, so that a miss can be explained.
    """

    key: Digest
    project: str
    step: str
    output: StepOutput
    ingredients: dict[str, str]
    run: str
    created_us: int
    duration_us: int


class StepRun(msgspec.Struct, frozen=True, kw_only=True):
    """One step within one run. `inputs` are the positions of the steps whose outputs it took."""

    run: str
    position: int
    step: str
    key: Digest
    outcome: StepOutcome
    output: Digest
    started_us: int
    duration_us: int
    inputs: list[int] = []
    reason: str = ""
