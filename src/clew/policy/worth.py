"""Gate checks on value: is the evidence enough, is the model better than no model, is it no worse than the champion.

Costs are compared as means per decision, paired by unit on the same rows, with intervals; an interval on both sides of
a threshold is a `cannot_tell`, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from clew.core.numbers import counted, number, span
from clew.core.types.evaluation import Evaluation
from clew.core.types.gate import Evidence, GateCheck, Verdict
from clew.core.types.interval import Interval
from clew.core.types.package import ModelFormat
from clew.core.types.value import ValueContract
from clew.settings import GateSettings
from clew.settings.render import render_header

__all__ = [
    "check_champion",
    "check_evaluation",
    "check_trivial",
    "cost_against",
    "difference_by_unit",
    "verdict_better",
    "verdict_no_worse",
]

_NOISE = 1e-9
"""Two sums of costs that are this near to each other, relative to them, differ by the order of adding only."""

_WITHIN = {
    Verdict.PASS: "within the margin of",
    Verdict.FAIL: "above the margin of",
    Verdict.CANNOT_TELL: "not surely within the margin of",
}
_WORDS = {
    Verdict.PASS: "costs less than",
    Verdict.FAIL: "costs no less than",
    Verdict.CANNOT_TELL: "may cost less than",
}


def check_evaluation(candidate: Evidence, asked: GateSettings, contract: ValueContract | None) -> GateCheck:
    """Whether there is an evaluation under the project's value contract on enough rows and units."""
    evaluation = candidate.evaluation
    if evaluation is None:
        return _unknown("evaluation", _not_evaluated(candidate), lacks="evaluation")
    facts: dict[str, object] = {
        "source": str(evaluation.source),
        "data": evaluation.data,
        "rows": evaluation.rows,
        "cost_per_decision": _cost_per_decision(evaluation),
    }
    units = len(evaluation.units.names)
    if contract is not None and not _same_contract(contract, evaluation.contract):
        reason = "it was evaluated under another value contract than [value] now declares; evaluate it again"
        return GateCheck(name="evaluation", verdict=Verdict.CANNOT_TELL, reason=reason, units=units, evidence=facts)
    found = f"{counted(evaluation.rows, 'rows')} in {counted(units, 'units')} of {evaluation.contract.unit}"
    lacking = [
        f"{counted(has, what)} where {needs} are asked for"
        for what, has, needs in (("rows", evaluation.rows, asked.min_rows), ("units", units, asked.min_units))
        if has < needs
    ]
    return GateCheck(
        name="evaluation",
        verdict=Verdict.CANNOT_TELL if lacking else Verdict.PASS,
        reason="; ".join(lacking) or found,
        units=units,
        evidence=facts,
    )


def check_trivial(evaluation: Evaluation, asked: GateSettings) -> list[GateCheck]:
    """Whether decisions cost less than those of each policy that needs no model.

    Unless it is asked for, this need not be certain: a first model may have too few days behind it to tell, and would
    never get more if nothing served it.
    """
    checks = []
    for name, cost in evaluation.trivial.items():
        interval = difference_by_unit(evaluation.units.cost, cost, evaluation.units.rows, level=asked.confidence)
        certain = verdict_better(interval)
        may_pass = certain is Verdict.CANNOT_TELL and not asked.beat_trivial
        checks.append(
            GateCheck(
                name=f"better than {name}",
                verdict=Verdict.PASS if may_pass else certain,
                reason=f"it {_WORDS[certain]} deciding {name}: {_shown(interval)}",
                value=interval.value,
                threshold=0.0,
                interval=interval,
                units=interval.units,
                evidence={"certain": certain is Verdict.PASS},
            )
        )
    return checks


def check_champion(candidate: Evidence, champion: Evidence, asked: GateSettings) -> GateCheck:
    """Whether decisions cost no more than the champion's, plus the margin."""
    ours, theirs = candidate.evaluation, champion.evaluation
    if ours is None or theirs is None:
        return _unknown("champion", "the champion was not evaluated on these rows", lacks="evaluation")
    lacks, reason = _not_comparable(ours, theirs) if candidate.trial is None else _too_weak(candidate.trial, asked)
    if lacks:
        return _unknown("champion", reason, lacks=lacks)
    interval = candidate.trial or difference_by_unit(
        ours.units.cost, theirs.units.cost, ours.units.rows, level=asked.confidence
    )
    champion_cost = _cost_per_decision(theirs)
    margin = asked.margin * abs(champion_cost)
    verdict, name = verdict_no_worse(interval, margin), champion.version.reference
    return GateCheck(
        name="champion",
        verdict=verdict,
        reason=f"{cost_against(interval, name)}, {_WITHIN[verdict]} {number(margin)}",
        value=interval.value,
        threshold=margin,
        interval=interval,
        units=interval.units,
        evidence={"champion": name, "champion_cost_per_decision": champion_cost},
    )


def difference_by_unit(
    ours: Sequence[float], theirs: Sequence[float], rows: Sequence[int], *, level: float
) -> Interval:
    """The mean cost of `ours` minus that of `theirs` per row, paired by unit, each of shape (units,)."""
    from clew.stats.intervals import mean_by_unit

    pairs = zip(ours, theirs, strict=True)
    return mean_by_unit([0.0 if math.isclose(a, b, rel_tol=_NOISE) else a - b for a, b in pairs], rows, level=level)


def cost_against(interval: Interval, other: str) -> str:
    """How a difference of cost per decision from `other` is told, as a beginning of a sentence."""
    if _is_nothing(interval):
        return f"it costs the same as {other}"
    if interval.value >= 0:
        return f"it costs {span(interval)} a decision more than {other}"
    saved = msgspec.structs.replace(interval, value=-interval.value, low=-interval.high, high=-interval.low)
    return f"it costs {span(saved)} a decision less than {other}"


def verdict_no_worse(interval: Interval, margin: float) -> Verdict:
    """Whether a difference of costs is at most the margin, as far as its interval tells."""
    if interval.high <= margin:
        return Verdict.PASS
    return Verdict.FAIL if interval.low > margin else Verdict.CANNOT_TELL


def verdict_better(interval: Interval) -> Verdict:
    """Whether a difference of costs is below zero, as far as its interval tells."""
    if interval.high < 0:
        return Verdict.PASS
    return Verdict.FAIL if interval.low >= 0 else Verdict.CANNOT_TELL


def _not_comparable(ours: Evaluation, theirs: Evaluation) -> tuple[str, str]:
    """What the two have not in common, as a word and as a reason; empty where they can be compared."""
    if not _same_contract(ours.contract, theirs.contract):
        return "same contract", "the champion was evaluated under another value contract"
    if ours.rows_digest != theirs.rows_digest or ours.units.names != theirs.units.names:
        return "same rows", (
            "the champion was evaluated on other rows; train a new version: its run evaluates "
            "the champion of that time on its own test rows"
        )
    return "", ""


def _too_weak(trial: Interval, asked: GateSettings) -> tuple[str, str]:
    """What a trial has too little of, likewise."""
    if trial.level < asked.confidence:
        return "confidence", f"the trial has level {trial.level}, {asked.confidence} is asked for"
    if trial.units < asked.min_units:
        return "units", f"the trial rests on {counted(trial.units, 'units')} where {asked.min_units} are asked for"
    return "", ""


def _not_evaluated(candidate: Evidence) -> str:
    if candidate.package.model.format is not ModelFormat.MLFLOW:
        return "the version was registered without an evaluation; evaluate it on held-out rows"
    table = render_header("gate", candidate.version.name)
    return f"models that MLflow logged get none; {table} aliases = [] in the project's clew.toml leaves its names free"


def _cost_per_decision(evaluation: Evaluation) -> float:
    return sum(evaluation.units.cost) / max(1, evaluation.rows)


def _same_contract(one: ValueContract, other: ValueContract) -> bool:
    """Whether both say the same of a single decision."""
    return msgspec.structs.replace(one, decisions_per_day=0.0, time="") == msgspec.structs.replace(
        other, decisions_per_day=0.0, time=""
    )


def _unknown(name: str, reason: str, *, lacks: str) -> GateCheck:
    return GateCheck(name=name, verdict=Verdict.CANNOT_TELL, reason=reason, evidence={"lacks": lacks})


def _shown(interval: Interval) -> str:
    return "no difference" if _is_nothing(interval) else f"{span(interval)} a decision"


def _is_nothing(interval: Interval) -> bool:
    return interval.low == interval.high == 0
