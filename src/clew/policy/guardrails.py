"""Gate checks that hold whatever the value: ranking, latency, and no slice made much worse."""

from __future__ import annotations

from clew.core.numbers import counted, number
from clew.core.types.evaluation import Evaluation, SliceTotals
from clew.core.types.gate import GateCheck, Verdict
from clew.core.types.package import Compilation, RuntimeCost
from clew.policy.worth import cost_against, difference_by_unit
from clew.settings import GateSettings

__all__ = ["check_auc", "check_latency", "check_slices"]


def check_auc(evaluation: Evaluation, least: float) -> GateCheck:
    """Whether the area under the ROC curve is at least `least`; its whole interval decides."""
    interval = evaluation.metrics.get("auc")
    if interval is None:
        reason = "there is no AUC: the decision is a number, or the evaluation holds one class only"
        return GateCheck(name="auc", verdict=Verdict.CANNOT_TELL, reason=reason, threshold=least)
    verdict = Verdict.PASS if interval.low >= least else Verdict.FAIL if interval.high < least else Verdict.CANNOT_TELL
    return GateCheck(
        name="auc",
        verdict=verdict,
        reason=f"AUC {interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}], at least {least} is asked for",
        value=interval.value,
        threshold=least,
        interval=interval,
        units=interval.units,
    )


def check_latency(compilation: Compilation, most_ms: float) -> GateCheck:
    """Whether the runtime that serves the model answers one row fast enough, as it was measured when it was built."""
    cost = _serving_cost(compilation)
    if cost is None:
        reason = "the latency of this package was not measured"
        return GateCheck(name="latency", verdict=Verdict.CANNOT_TELL, reason=reason, threshold=most_ms)
    latency_ms = cost.row_us / 1000
    return GateCheck(
        name="latency",
        verdict=Verdict.PASS if latency_ms <= most_ms else Verdict.FAIL,
        reason=f"{latency_ms:.3g} ms for one row by {cost.name}, at most {most_ms:g} ms are asked for",
        value=latency_ms,
        threshold=most_ms,
        evidence={"runtime": cost.name, "batch_of_64_ms": cost.batch_us / 1000},
    )


def _serving_cost(compilation: Compilation) -> RuntimeCost | None:
    return next((cost for cost in compilation.costs if cost.runtime is compilation.chosen), None)


def check_slices(ours: Evaluation, theirs: Evaluation | None, asked: GateSettings) -> list[GateCheck]:
    """Whether some slice is shown to cost much more than under the champion.

    A guardrail: it fails on evidence of harm and passes without, since many small slices could never all be shown to be
    harmless. The confidence is shared out over the slices (Bonferroni), so that more slices do not mean more false
    alarms.
    """
    known = {part.column for part in ours.slices}
    missing = [column for column in asked.slices if column not in known]
    checks = [
        GateCheck(
            name=f"slice {column}",
            verdict=Verdict.CANNOT_TELL,
            reason=f"the evaluation has no slices by {column!r}; evaluate it again with that column",
        )
        for column in missing
    ]
    parts = [part for part in ours.slices if part.column in asked.slices]
    if theirs is None or ours.rows_digest != theirs.rows_digest:
        return checks
    of_champion = {(part.column, part.value): part for part in theirs.slices}
    level = 1 - (1 - asked.confidence) / max(1, len(parts))
    pairs = [(part, of_champion.get((part.column, part.value))) for part in parts]
    return checks + [_check_slice(part, other, asked, level) for part, other in pairs if other is not None]


def _check_slice(part: SliceTotals, other: SliceTotals, asked: GateSettings, level: float) -> GateCheck:
    name, rows = f"slice {part.column} = {part.value}", sum(part.rows)
    if sum(1 for count in part.rows if count) < asked.min_units:
        reason = f"{counted(rows, 'rows')} in too few units to show harm"
        return GateCheck(name=name, verdict=Verdict.PASS, reason=reason, evidence={"rows": rows})
    interval = difference_by_unit(part.cost, other.cost, part.rows, level=level)
    margin = asked.slice_margin * abs(sum(other.cost) / rows)
    harmed = interval.low > margin
    words = "surely above the margin of" if harmed else "not surely above the margin of"
    return GateCheck(
        name=name,
        verdict=Verdict.FAIL if harmed else Verdict.PASS,
        reason=f"{cost_against(interval, 'the champion')}, {words} {number(margin)}",
        value=interval.value,
        threshold=margin,
        interval=interval,
        units=interval.units,
        evidence={"rows": rows},
    )
