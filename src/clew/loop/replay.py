"""Scores a logged request again and compares bit for bit.

The rows of the request go through the model together and in the order in which they came, in the runtime that the
record names, because a score may depend on the batch and on the library. Reasoning: docs/explanation/reproduction.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.errors import ClewError
from clew.core.types.package import Package, RuntimeKind
from clew.core.types.signature import ClassLabel
from clew.registry.formats.format import Trust
from clew.serving.runtime import Runtime, load_runtime

__all__ = ["Asked", "Replay", "ReplayVerdict", "replay", "runtime_kind"]


class ReplayVerdict(StrEnum):
    """What came of scoring again; `cannot` says nothing about the logged score."""

    IDENTICAL = "identical"
    DIFFERENT = "different"
    CANNOT = "cannot"


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """The logged score of a row and the one that the model gives now.

    `differing` counts the rows of the request whose score or decision is not the same, bit for bit. `runtime` is the
    one that scored now; a newer library under the same model may differ in the last bits, and `reason` says so.
    """

    verdict: ReplayVerdict
    runtime: str = ""
    logged_runtime: str = ""
    rows: int = 0
    differing: int = 0
    logged_score: float | None = None
    score: float | None = None
    logged_decision: ClassLabel | None = None
    decision: ClassLabel | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A logged request and the answer: inputs by column, scores and decisions by row; `row` is the one to look at."""

    columns: dict[str, list[Any]]
    scores: Sequence[float]
    decisions: Sequence[Any]
    runtime: str
    row: int = 0


def replay(package: Package, objects: Objects, asked: Asked, *, trust: Trust) -> Replay:
    """Score a request again.

    Args:
        package: of the version that answered.
        objects: where its files are.
        asked: the request, and what was answered.
        trust: what the project's policy allows in a model file.

    Returns:
        The comparison; why there is none where the model cannot be loaded here or refuses the rows.
    """
    try:
        runtime = load_runtime(package, objects, trust=trust, kind=runtime_kind(asked.runtime))
        scores, decisions = runtime.decide(asked.columns)
    except ClewError as error:
        reason = f"{error.what} ({error.hint})" if error.hint else error.what
        return Replay(verdict=ReplayVerdict.CANNOT, logged_runtime=asked.runtime, reason=reason)
    return _compare(asked, runtime, scores, decisions)


def runtime_kind(id: str) -> RuntimeKind:
    """Which runtime of a package an id like `onnxruntime-1.20.1` names."""
    return RuntimeKind.COMPILED if id.startswith("onnxruntime-") else RuntimeKind.ORIGINAL


def _compare(asked: Asked, runtime: Runtime, scores: Sequence[float], decisions: Sequence[Any]) -> Replay:
    pairs = zip(asked.scores, asked.decisions, scores, decisions, strict=True)
    differing = [_bits(was) != _bits(now) or decided != again for was, decided, now, again in pairs]
    verdict = ReplayVerdict.DIFFERENT if any(differing) else ReplayVerdict.IDENTICAL
    return Replay(
        verdict=verdict,
        runtime=runtime.id,
        logged_runtime=asked.runtime,
        rows=len(scores),
        differing=sum(differing),
        logged_score=asked.scores[asked.row],
        score=scores[asked.row],
        logged_decision=asked.decisions[asked.row],
        decision=decisions[asked.row],
        reason=_reason(asked, runtime, verdict),
    )


def _reason(asked: Asked, runtime: Runtime, verdict: ReplayVerdict) -> str:
    if runtime.id == asked.runtime:
        same = verdict is ReplayVerdict.IDENTICAL
        return "" if same else "the same runtime gives another score: hardware, log or package are not what they were"
    return f"logged by {asked.runtime}, and {runtime.id} is installed"


def _bits(score: float) -> bytes:
    return struct.pack("<d", score)
