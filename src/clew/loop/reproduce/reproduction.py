"""What a reproduction found. How it is made: `clew.loop.reproduce.reproduce`."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from clew.core.ids import Digest
from clew.core.types.step import StepOutcome

__all__ = [
    "Alone",
    "Divergence",
    "Factor",
    "FactorKind",
    "MetricComparison",
    "OutputComparison",
    "OutputKind",
    "Reproduction",
    "ReproductionVerdict",
    "StepComparison",
]


class ReproductionVerdict(StrEnum):
    """How like the first time it was; `nothing to compare` where a run left neither steps, outputs nor metrics."""

    BIT_IDENTICAL = "bit-identical"
    SAME_METRICS = "same metrics"
    WITHIN_TOLERANCE = "within tolerance"
    DIFFERENT = "different"
    NOTHING = "nothing to compare"

    @property
    def proved(self) -> bool:
        """Whether the run was reproduced, bit for bit or as far as its metrics go."""
        return self not in (ReproductionVerdict.DIFFERENT, ReproductionVerdict.NOTHING)


class StepComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One step, then and now.

    `same` compares the digests of the outputs; it is None where one side kept none. Keys are equal when code, versions,
    arguments and reads of the step are. `position` is that of the first time, or of now for a step that is new.
    """

    step: str
    position: int
    outcome: StepOutcome | None
    recorded_key: Digest
    key: Digest
    recorded: Digest
    output: Digest
    same: bool | None


class OutputKind(StrEnum):
    """What else a run leaves."""

    ARTIFACT = "artifact"
    MODEL = "model"
    DATA = "data"


class OutputComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Something else that a run left, by digest; empty where one side has none."""

    kind: OutputKind
    name: str
    recorded: Digest
    output: Digest

    @property
    def same(self) -> bool:
        """Whether the bytes are the same."""
        return self.recorded == self.output


class MetricComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One metric: its last values, None where one side has none.

    `same` says that all points are, bit for bit, but for their times. `difference` is the largest one between points,
    relative to the greater of both; None where they cannot be paired.
    """

    metric: str
    recorded: float | None
    value: float | None
    points: int
    same: bool
    difference: float | None


class FactorKind(StrEnum):
    """What a run recorded about itself, and what may have changed since."""

    PACKAGE = "package"
    PYTHON = "python"
    SYSTEM = "system"
    HARDWARE = "hardware"
    THREADS = "threads"
    KERNEL = "kernel"
    SEED = "seed"
    CODE = "code"
    DATA = "data"
    FILE = "file"
    ARGUMENT = "argument"
    VARIABLE = "variable"


class Factor(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded thing that is not what it was; a side that has none is empty."""

    kind: FactorKind
    name: str
    recorded: str
    now: str

    def __str__(self) -> str:
        name = self.name if self.name.startswith(self.kind) else f"{self.kind} {self.name}"
        return f"{name}: {self.recorded or 'none'} → {self.now or 'none'}"


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """Where the two runs part: the first step, output or metric that is not the same, and what is behind it.

    `factors` are the causes that the step's key saw change, data before the arguments that it flowed into. Without any,
    the same code with the same inputs gave another result, and `suspects` are the recorded factors outside of every key
    that have changed: a single one is the cause. Where both are empty it depends on something that no run records, such
    as the time.
    """

    what: str
    name: str
    position: int
    factors: list[Factor]
    suspects: list[Factor] = []

    @property
    def causes(self) -> list[Factor]:
        """What is known to be behind it: nothing where several things may be."""
        return self.factors or (self.suspects if len(self.suspects) == 1 else [])


class Alone(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one change alone: the verdict, and the first thing that was not the same."""

    change: str
    verdict: ReproductionVerdict
    first: str


class Reproduction(msgspec.Struct, frozen=True, kw_only=True):
    """A run, repeated.

    `run` is the one that was to be reproduced, `repeated` the id of the new run, of kind `reproduction`. `factors` are
    all recorded things that are not what they were, whether they mattered or not. `folder` is where code and data were
    laid out, when that was kept. `using` holds what was changed on purpose: then it is no reproduction, but an answer
    to what would have been. `environment` is the one that it ran in: `present` or `recorded`. `certificate` is the
    object that signs this; empty where there is none. `alone` says what came of each change by itself, where that was
    asked.
    """

    run: str
    name: str
    repeated: str
    verdict: ReproductionVerdict
    tolerance: float
    steps: list[StepComparison]
    outputs: list[OutputComparison]
    metrics: list[MetricComparison]
    divergence: Divergence | None
    factors: list[Factor]
    notes: list[str]
    started_us: int
    ended_us: int
    folder: str = ""
    using: list[str] = []
    environment: str = "present"
    certificate: Digest = Digest("")
    alone: list[Alone] = []
