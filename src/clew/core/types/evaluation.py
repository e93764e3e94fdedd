"""Evaluations: what a model version was worth on some rows whose truth is known, as a gate reads it.

Small enough to live in the model package: sums by unit, never rows. `clew.policy.evaluation` makes one. Layout:
docs/design/evaluation.md. Format version 0.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from clew.core.canonical import canonical
from clew.core.errors import Corrupt, Invalid
from clew.core.ids import Digest
from clew.core.types.interval import Interval
from clew.core.types.signature import ClassLabel
from clew.core.types.value import ValueContract

__all__ = [
    "EVALUATION_VERSION",
    "Evaluation",
    "EvaluationSource",
    "ScoreHistogram",
    "SliceTotals",
    "UnitTotals",
    "decode_evaluation",
    "encode_evaluation",
]

EVALUATION_VERSION = 0
_MAX_BYTES = 16 << 20


class EvaluationSource(StrEnum):
    """Where the rows came from: kept back from training, or decided at an endpoint and labelled since."""

    HOLDOUT = "holdout"
    LIVE = "live"


class UnitTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Rows and costs by unit, in the order of the names. Many units are pooled into runs of neighbours."""

    names: list[str]
    rows: list[int]
    cost: list[float]


class SliceTotals(msgspec.Struct, frozen=True, kw_only=True):
    """The rows with one value in one column: rows and costs by unit, aligned with the units of the evaluation."""

    column: str
    value: str
    rows: list[int]
    cost: list[float]


class ScoreHistogram(msgspec.Struct, frozen=True, kw_only=True):
    """Scores by outcome in fixed bins: below `edges[0]`, between edges, at `edges[-1]` and above."""

    edges: list[float]
    positives: list[int]
    negatives: list[int]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="clew.evaluation"):
    """What a version was worth.

    `rows_digest` names the rows with their truths and units: two evaluations with the same one can be compared unit
    by unit. `trivial` holds the costs by unit of policies that need no model (`always`, `never`, `constant …`).
    `confusion` is `[truth][decision]` in the order of `classes`. `data` is the reference of the dataset version that
    the rows came from, `data_version` its id. `metrics` has at least `cost`, the mean per decision.
    """

    contract: ValueContract
    source: EvaluationSource
    created_us: int
    rows: int
    rows_digest: Digest
    units: UnitTotals
    trivial: dict[str, list[float]]
    metrics: dict[str, Interval]
    classes: list[ClassLabel] = []
    confusion: list[list[int]] = []
    threshold: float | None = None
    scores: ScoreHistogram | None = None
    slices: list[SliceTotals] = []
    data: str = ""
    data_version: str = ""
    version: int = EVALUATION_VERSION


def encode_evaluation(evaluation: Evaluation) -> bytes:
    """The bytes that stand in a model package; equal evaluations give equal bytes."""
    return canonical(evaluation)


def decode_evaluation(data: bytes) -> Evaluation:
    """An evaluation from the bytes of a model package.

    Raises:
        Corrupt: the bytes are none, or too many.
        Invalid: a newer clew wrote them.
    """
    if len(data) > _MAX_BYTES:
        raise Corrupt(f"{len(data)} bytes are too many for an evaluation")
    try:
        evaluation = msgspec.msgpack.decode(data, type=Evaluation)
    except (msgspec.DecodeError, UnicodeDecodeError, Invalid) as error:
        raise Corrupt(f"these bytes are no evaluation: {error}") from error
    if evaluation.version > EVALUATION_VERSION:
        raise Invalid(f"this evaluation has version {evaluation.version}", hint="install a newer clew")
    _check_aligned(evaluation)
    return evaluation


def _check_aligned(evaluation: Evaluation) -> None:
    size = len(evaluation.units.names)
    columns: list[list[int] | list[float]] = [evaluation.units.rows, evaluation.units.cost]
    columns += [*evaluation.trivial.values()]
    columns += [column for part in evaluation.slices for column in (part.rows, part.cost)]
    if any(len(column) != size for column in columns):
        raise Corrupt("this evaluation has sums that do not belong to its units")
    if evaluation.rows < 1 or sum(evaluation.units.rows) != evaluation.rows:
        raise Corrupt(f"this evaluation counts {sum(evaluation.units.rows)} and {evaluation.rows} rows")
