"""Whether a compiled graph does what the original model does: the replay of a sample and of probes through both.

Not the conversion (`clew.serving.convert`) nor the choice (`clew.serving.compile`). Reasoning: docs/design/package.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clew.core.errors import Invalid
from clew.core.types.package import Decision, Parity
from clew.core.types.signature import Scale, Signature
from clew.registry.columns import Columns
from clew.serving.probes import NEW_CATEGORY, Probe, probes_for
from clew.serving.runtime import Prediction, Runtime

__all__ = ["BATCH", "Reference", "batch_difference", "compare", "reference_of"]

BATCH = 64
_BAND = 0.01
_PROBABILITY_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Reference:
    """What the original says: of the sample, and of the probes that it does not refuse."""

    sample: Columns
    answers: Prediction
    probes: Columns
    probe_answers: Prediction | None
    refused: tuple[Probe, ...]

    @property
    def closed(self) -> list[str]:
        """The columns in which the original refuses a new category."""
        return sorted({probe.column for probe in self.refused if probe.value == NEW_CATEGORY})


def reference_of(original: Runtime, sample: Columns) -> Reference:
    """Ask the original model about the sample and the probes."""
    probes = probes_for(original.signature, sample)
    kept: list[Probe] = []
    refused: list[Probe] = []
    try:
        original.predict(_columns(sample, probes).values)
        kept = probes
    except Invalid:
        for probe in probes:
            (kept if _accepts(original, sample, probe) else refused).append(probe)
    rows = _columns(sample, kept)
    answers = original.predict(rows.values) if kept else None
    return Reference(sample, original.predict(sample.values), rows, answers, tuple(refused))


def compare(reference: Reference, compiled: Runtime, decision: Decision) -> Parity:
    """Replay everything through a compiled runtime."""
    import numpy as np

    pairs = [(reference.answers, compiled.predict(reference.sample.values))]
    if reference.probe_answers is not None:
        pairs.append((reference.probe_answers, compiled.predict(reference.probes.values)))
    score = reference.answers.score
    tolerance, band = _tolerance(compiled.signature, score)
    return Parity(
        rows=reference.sample.rows,
        probes=reference.probes.rows,
        difference=max(_difference(ours, theirs) for ours, theirs in pairs),
        tolerance=tolerance,
        near=int((np.abs(score - decision.threshold) <= band).sum()) if compiled.signature.classes else 0,
        band=band,
        flips=sum(_flips(ours, theirs) for ours, theirs in pairs),
        batch_difference=batch_difference(compiled, reference.sample),
    )


def batch_difference(runtime: Runtime, sample: Columns) -> float:
    """The largest difference of any score between a row alone and in a batch of 64."""
    some = sample.spread(BATCH)
    together = runtime.predict(some.values)
    alone = [runtime.predict(some.take([at]).values) for at in range(some.rows)]
    return max(
        _difference(Prediction(together.score[at : at + 1], None, _row(together, at)), one)
        for at, one in enumerate(alone)
    )


def _row(prediction: Prediction, at: int) -> Any:
    return None if prediction.scores is None else prediction.scores[at : at + 1]


def _tolerance(signature: Signature, score: Any) -> tuple[float, float]:
    """The largest allowed difference of scores, and how near to the threshold counts as near."""
    if signature.scale is Scale.PROBABILITY:
        return _PROBABILITY_TOLERANCE, _BAND
    import numpy as np

    size = max(float(np.std(score)), float(np.abs(score).max()) * 1e-3, 1e-9)
    return _PROBABILITY_TOLERANCE * size, _BAND * size


def _difference(ours: Prediction, theirs: Prediction) -> float:
    """Infinite where one of them has no number."""
    import numpy as np

    mine = ours.score if ours.scores is None else ours.scores
    other = theirs.score if theirs.scores is None else theirs.scores
    if mine.shape != other.shape:
        return float("inf")
    largest = float(np.abs(mine - other).max(initial=0.0))
    return largest if np.isfinite(largest) else float("inf")


def _flips(ours: Prediction, theirs: Prediction) -> int:
    if ours.label is None or theirs.label is None:
        return 0
    return int((ours.label != theirs.label).sum())


def _columns(sample: Columns, probes: list[Probe]) -> Columns:
    values = {name: [probe.row[name] for probe in probes] for name in sample.values}
    return Columns(sample.container, sample.dtypes, values)


def _accepts(original: Runtime, sample: Columns, probe: Probe) -> bool:
    try:
        original.predict(_columns(sample, [probe]).values)
    except Invalid:
        return False
    return True
