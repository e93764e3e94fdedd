"""Two runs side by side: digests of what steps gave, of everything else that was left, and the points of metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from clew.core.contracts.objects import Objects
from clew.core.ids import Digest
from clew.core.types.model import ModelVersion
from clew.core.types.run import Artifact
from clew.core.types.series import SYSTEM, SeriesBlock
from clew.core.types.step import StepRun
from clew.loop.reproduce.recorded import Recorded
from clew.loop.reproduce.reproduction import (
    MetricComparison,
    OutputComparison,
    OutputKind,
    ReproductionVerdict,
    StepComparison,
)
from clew.registry.package import evaluation_of, load_package
from clew.tracking.series import join, points_of

__all__ = ["compare_metrics", "compare_outputs", "compare_steps", "difference_of", "verdict_of"]

NONE = Digest("")
_OURS = ("text/plain:console.txt", "application/x-clew-")
"""Artifacts that say when, and not what: the console, and clew's own evaluations."""


def compare_steps(recorded: Sequence[StepRun], now: Sequence[StepRun]) -> list[StepComparison]:
    """Steps by name, and by their order among those of one name: workers may reach them in another order."""
    before, after = _numbered(recorded), _numbered(now)
    found = [_step(before.get(name), after.get(name)) for name in dict.fromkeys([*before, *after])]
    return sorted(found, key=lambda each: each.position)


def compare_outputs(objects: Objects, recorded: Recorded, now: Recorded) -> list[OutputComparison]:
    """Artifacts by path, models by name and the bytes of their files, new dataset versions by content."""
    sides = [
        (OutputKind.ARTIFACT, _artifacts(recorded.artifacts), _artifacts(now.artifacts)),
        (OutputKind.MODEL, _models(objects, recorded.models), _models(objects, now.models)),
        (
            OutputKind.DATA,
            {version.name: version.digest for version in recorded.made},
            {version.name: version.digest for version in now.made},
        ),
    ]
    return [
        OutputComparison(kind=kind, name=name, recorded=was.get(name, NONE), output=again.get(name, NONE))
        for kind, was, again in sides
        for name in sorted(was.keys() | again.keys())
    ]


def compare_metrics(objects: Objects, recorded: Recorded, now: Recorded) -> list[MetricComparison]:
    """Metrics of both runs, point by point, and what evaluations of their models say."""
    was, again = _metrics(objects, recorded), _metrics(objects, now)
    names = [name for name in sorted(was.keys() | again.keys()) if not name.startswith(SYSTEM)]
    return [_metric(name, was.get(name, []), again.get(name, [])) for name in names]


def _metrics(objects: Objects, side: Recorded) -> dict[str, list[tuple[float, float]]]:
    """What the run logged, and what packages say of its models, which runs of earlier versions of clew did not log."""
    return _evaluations(objects, side.models) | _points(side.blocks)


def verdict_of(
    steps: Sequence[StepComparison],
    outputs: Sequence[OutputComparison],
    metrics: Sequence[MetricComparison],
    *,
    tolerance: float,
) -> ReproductionVerdict:
    """Of all comparisons together. What neither side kept says nothing."""
    results = [step.same for step in steps if step.same is not None] + [output.same for output in outputs]
    if not results and not metrics:
        return ReproductionVerdict.NOTHING
    if all(metric.same for metric in metrics):
        if all(results):
            return ReproductionVerdict.BIT_IDENTICAL
        return ReproductionVerdict.SAME_METRICS if metrics else ReproductionVerdict.DIFFERENT
    near = all(metric.difference is not None and metric.difference <= tolerance for metric in metrics)
    return ReproductionVerdict.WITHIN_TOLERANCE if near else ReproductionVerdict.DIFFERENT


def difference_of(a: float, b: float) -> float:
    """How far two numbers are apart, relative to the greater; infinite where only one of them is a number."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    return abs(a - b) / max(abs(a), abs(b))


def _numbered(steps: Sequence[StepRun]) -> dict[tuple[str, int], StepRun]:
    seen: dict[str, int] = {}
    found = {}
    for step in sorted(steps, key=lambda each: each.position):
        number = seen[step.step] = seen.get(step.step, 0) + 1
        found[step.step, number] = step
    return found


def _step(was: StepRun | None, again: StepRun | None) -> StepComparison:
    before, after = was.output if was else NONE, again.output if again else NONE
    unknown = was is not None and again is not None and not (before and after)
    return StepComparison(
        step=was.step if was else again.step if again else "",
        position=was.position if was else again.position if again else 0,
        outcome=again.outcome if again else None,
        recorded_key=was.key if was else NONE,
        key=again.key if again else NONE,
        recorded=before,
        output=after,
        same=None if unknown else before == after,
    )


def _artifacts(artifacts: Sequence[Artifact]) -> dict[str, Digest]:
    return {each.path: each.digest for each in artifacts if not f"{each.media_type}:{each.path}".startswith(_OURS)}


def _models(objects: Objects, versions: Sequence[ModelVersion]) -> dict[str, Digest]:
    """The fitted models, without what a package says of the time and place of its making."""
    kept = [version for version in versions if version.package]
    return {version.name: load_package(objects, version.package).model.digest for version in kept}


def _evaluations(objects: Objects, versions: Sequence[ModelVersion]) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for version in versions:
        if not version.package:
            continue  # its files are elsewhere
        evaluation = evaluation_of(objects, load_package(objects, version.package))
        if evaluation is not None:
            found |= {f"{version.name}.{name}": [(0.0, each.value)] for name, each in evaluation.metrics.items()}
    return found


def _points(blocks: Mapping[str, Sequence[SeriesBlock]]) -> dict[str, list[tuple[float, float]]]:
    """Step and value of each point, in order of arrival."""
    found = {}
    for key, parts in blocks.items():
        steps, _, values = join([points_of(block) for block in parts])
        found[key] = list(zip(steps.tolist(), values.tolist(), strict=True))
    return found


def _metric(name: str, was: list[tuple[float, float]], again: list[tuple[float, float]]) -> MetricComparison:
    difference: float | None = 0.0
    for a, b in zip_longest(was, again):
        if a is None or b is None or a[0] != b[0]:
            difference = None
            break
        difference = max(difference or 0.0, difference_of(a[1], b[1]))
    return MetricComparison(
        metric=name,
        recorded=_last(was),
        value=_last(again),
        points=len(was),
        same=difference is not None and [_bits(p) for p in was] == [_bits(p) for p in again],
        difference=difference,
    )


def _last(points: list[tuple[float, float]]) -> float | None:
    """The value at the greatest step, the one that came last where several have it."""
    return max(reversed(points), key=lambda each: each[0])[1] if points else None


def _bits(point: tuple[float, float]) -> tuple[str, str]:
    return float(point[0]).hex(), point[1].hex()
