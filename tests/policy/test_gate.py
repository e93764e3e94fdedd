"""The gate: each check passes, fails and cannot tell for the right reason, and the report is bound to what it saw."""

from __future__ import annotations

import msgspec
import numpy as np
import polars as pl
import pytest

from clew.core.ids import Digest
from clew.core.types.check_report import CheckReport
from clew.core.types.checks import Checks, ColumnCheck, ColumnType
from clew.core.types.evaluation import Evaluation
from clew.core.types.gate import Approval, DataEvidence, Evidence, GateCheck, GateReport, Verdict
from clew.core.types.interval import Interval
from clew.core.types.model import ModelVersion
from clew.core.types.package import (
    Compilation,
    Environment,
    FileRole,
    ModelFormat,
    Package,
    PackageFile,
    RuntimeCost,
    RuntimeKind,
)
from clew.core.types.signature import Scale, Signature, Task
from clew.core.types.value import BinaryValue
from clew.data.checks.batch import check_table
from clew.policy.evaluation import JudgedRows, evaluate
from clew.policy.gate import DeclaredGate
from clew.policy.worth import cost_against, verdict_better, verdict_no_worse
from clew.settings import settings_of

VALUE = '[value.delay]\nkind = "binary"\nmissed_cost = 50\nfalse_alarm_cost = 10\nunit = "day"\n'
CONTRACT = BinaryValue(missed_cost=50, false_alarm_cost=10, unit="day")
STRICT = "[gate.delay]\nbeat_trivial = true\n"
DAYS, ROWS = 20, 2_000
PASS, FAIL, OPEN = Verdict.PASS, Verdict.FAIL, Verdict.CANNOT_TELL


def evaluation(skill: float, *, rows: int = ROWS, seed: int = 0, hurt: str = "") -> Evaluation:
    """Of a model whose scores are the truth mixed with noise; on the slice `hurt` with more of it."""
    rng = np.random.default_rng(seed)
    labels = rng.uniform(size=rows) < 0.3
    noise = np.random.default_rng(7).uniform(size=rows)
    group = np.array(["EWR", "JFK", "LGA"])[np.arange(rows) % 3]
    skills = np.where(group == hurt, 0.3, skill)
    rows_judged = JudgedRows(
        labels=labels,
        scores=skills * labels + (1 - skills) * noise,
        units=[f"{day:02}" for day in np.arange(rows) * DAYS // rows],
        slices={"origin": group},
        classes=[False, True],
    )
    return evaluate(rows_judged, CONTRACT, created_us=1, threshold=0.45)


GOOD, BETTER, NOISE = evaluation(0.4), evaluation(0.45), evaluation(0.0)


def evidence(number: int = 2, **fields: object) -> Evidence:
    package = Package(
        estimator="Pipeline",
        signature=Signature(inputs=(), outputs=(), task=Task.BINARY, scale=Scale.PROBABILITY),
        files=(PackageFile(role=FileRole.MODEL, format=ModelFormat.SKOPS, digest=Digest("aa"), size_bytes=1),),
        environment=Environment(python="3.11", platform="linux", distributions={}),
        compilation=Compilation(
            chosen=RuntimeKind.COMPILED,
            reason="faster",
            costs=(
                RuntimeCost(runtime=RuntimeKind.ORIGINAL, name="sklearn", row_us=4_000, batch_us=5_000),
                RuntimeCost(runtime=RuntimeKind.COMPILED, name="onnx", row_us=20, batch_us=200),
            ),
        ),
        unsafe=tuple(fields.pop("unsafe", ())),  # type: ignore[arg-type]
    )
    version = ModelVersion(
        id=f"v{number}",
        model="m",
        name="delay",
        number=number,
        package=Digest(f"p{number}"),
        run="r",
        created_us=1,
        created_by="ann",
    )
    return Evidence(version=version, package=package, **{"evaluation": GOOD, **fields})  # type: ignore[arg-type]


def judge(candidate: Evidence, champion: Evidence | None = None, *, toml: str = VALUE) -> GateReport:
    return DeclaredGate(settings_of(toml)).judge(candidate, champion, at_us=5)


def found(report: GateReport, name: str) -> GateCheck:
    return next(check for check in report.checks if check.name == name)


def test_a_first_version_must_be_better_than_no_model() -> None:
    report = judge(evidence())
    assert [(c.name, c.verdict) for c in report.checks] == [
        ("package", PASS),
        ("evaluation", PASS),
        ("better than always", PASS),
        ("better than never", PASS),
    ]
    assert (report.verdict, report.champion, report.sealed) == (PASS, "", True)
    assert (report.model, report.number, report.package, report.created_us) == ("delay", 2, "p2", 5)


def test_a_model_that_knows_nothing_fails() -> None:
    report = judge(evidence(evaluation=NOISE))
    assert report.verdict is FAIL
    assert "costs no less than deciding always" in report.against[0].reason


def test_a_model_that_may_be_better_than_none_passes_unless_certainty_is_asked_for() -> None:
    unsure = evaluation(0.25)
    lenient, strict = (judge(evidence(evaluation=unsure), toml=VALUE + more) for more in ("", STRICT))
    check = found(lenient, "better than always")
    assert check.interval is not None
    assert check.interval.low < 0 < check.interval.high
    assert (check.verdict, check.evidence["certain"]) == (PASS, False)
    assert found(strict, "better than always").verdict is OPEN
    assert found(strict, "better than never").verdict is PASS
    assert judge(evidence(evaluation=NOISE), toml=VALUE + STRICT).verdict is FAIL


def test_without_an_evaluation_nothing_can_be_told() -> None:
    report = judge(evidence(evaluation=None))
    assert report.verdict is OPEN
    assert [c.name for c in report.against] == ["evaluation"]


@pytest.mark.parametrize(("setting", "reason"), [("min_rows = 2001", "2,000 rows"), ("min_units = 21", "20 units")])
def test_too_little_evidence(setting: str, reason: str) -> None:
    report = judge(evidence(), toml=f"{VALUE}[gate.delay]\n{setting}\n")
    assert report.verdict is OPEN
    assert reason in found(report, "evaluation").reason


def test_another_value_contract_than_the_declared_one() -> None:
    report = judge(evidence(), toml=VALUE.replace("50", "51"))
    assert "another value contract" in found(report, "evaluation").reason
    assert judge(evidence(), toml=VALUE + "decisions_per_day = 900\n").passed
    assert judge(evidence(), toml="").passed


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [(BETTER, GOOD, PASS), (GOOD, GOOD, PASS), (NOISE, GOOD, FAIL), (evaluation(0.395), GOOD, OPEN)],
)
def test_value_against_the_champion(ours: Evaluation, theirs: Evaluation, verdict: Verdict) -> None:
    report = judge(evidence(evaluation=ours), evidence(1, evaluation=theirs))
    check = found(report, "champion")
    assert check.verdict is verdict
    assert report.champion == "v1"
    assert check.interval is not None
    assert check.interval.low <= check.interval.value <= check.interval.high
    assert check.threshold == pytest.approx(0.05 * sum(theirs.units.cost) / ROWS)
    assert check.units == DAYS


def test_the_margin_is_the_users() -> None:
    worse = evidence(evaluation=evaluation(0.38))
    assert found(judge(worse, evidence(1), toml=f"{VALUE}[gate.delay]\nmargin = 0.5\n"), "champion").verdict is PASS


def test_pairs_need_the_same_rows_and_the_same_contract() -> None:
    other = msgspec.structs.replace(GOOD, contract=BinaryValue(missed_cost=9, false_alarm_cost=1))
    for theirs, said, lacks in (
        (evaluation(0.4, seed=1), "on other rows", "same rows"),
        (None, "not evaluated", "evaluation"),
        (other, "another value contract", "same contract"),
    ):
        check = found(judge(evidence(), evidence(1, evaluation=theirs)), "champion")
        assert (said in check.reason, check.evidence) == (True, {"lacks": lacks})


def trial(low: float, high: float, *, level: float = 0.95, units: int = 9) -> Interval:
    return Interval(value=(low + high) / 2, low=low, high=high, level=level, units=units, method="confidence sequence")


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (trial(-2, -1), PASS),
        (trial(-2, 5), OPEN),
        (trial(3, 5), FAIL),
        (trial(-2, -1, level=0.9), OPEN),
        (trial(-2, -1, units=4), OPEN),
    ],
)
def test_a_trial_in_shadow_stands_in_place_of_evaluations_on_other_rows(interval: Interval, verdict: Verdict) -> None:
    elsewhere = evidence(1, evaluation=evaluation(0.4, seed=1))
    assert found(judge(evidence(trial=interval), elsewhere), "champion").verdict is verdict


@pytest.mark.parametrize(("least", "verdict"), [(0.6, PASS), (0.999, FAIL), (GOOD.metrics["auc"].value, OPEN)])
def test_auc(least: float, verdict: Verdict) -> None:
    assert found(judge(evidence(), toml=f"{VALUE}[gate.delay]\nmin_auc = {least}\n"), "auc").verdict is verdict


def test_no_auc_where_there_is_none() -> None:
    metrics = {"cost": GOOD.metrics["cost"]}
    report = judge(
        evidence(evaluation=msgspec.structs.replace(GOOD, metrics=metrics)),
        toml=f"{VALUE}[gate.delay]\nmin_auc = 0.6\n",
    )
    assert found(report, "auc").verdict is OPEN


@pytest.mark.parametrize(("most", "verdict"), [(0.02, PASS), (0.019, FAIL)])
def test_latency_is_that_of_the_runtime_that_serves(most: float, verdict: Verdict) -> None:
    toml = f"{VALUE}[gate.delay]\nmax_latency_ms = {most}\n"
    assert found(judge(evidence(), toml=toml), "latency").verdict is verdict
    unmeasured = evidence()
    package = msgspec.structs.replace(
        unmeasured.package, compilation=Compilation(chosen=RuntimeKind.ORIGINAL, reason="no")
    )
    report = judge(msgspec.structs.replace(unmeasured, package=package), toml=toml)
    assert found(report, "latency").verdict is OPEN


def test_a_slice_that_is_hurt_fails_even_if_the_whole_is_better() -> None:
    toml = f'{VALUE}[gate.delay]\nslices = ["origin"]\n'
    hurt = evaluation(0.8, hurt="JFK")
    report = judge(evidence(evaluation=hurt), evidence(1), toml=toml)
    assert found(report, "champion").verdict is PASS
    assert [c.name for c in report.against] == ["slice origin = JFK"]
    spared = found(report, "slice origin = EWR")
    assert spared.verdict is PASS
    assert spared.interval is not None
    assert spared.interval.level == pytest.approx(1 - 0.05 / 3)
    assert judge(evidence(evaluation=GOOD), evidence(1), toml=toml).passed


def test_a_slice_that_was_never_evaluated_cannot_be_told() -> None:
    report = judge(evidence(), toml=f'{VALUE}[gate.delay]\nslices = ["carrier"]\n')
    assert (report.verdict, found(report, "slice carrier").verdict) == (OPEN, OPEN)


def checked(values: list[int]) -> CheckReport:
    checks = Checks(columns={"c": ColumnCheck(type=ColumnType.INTEGER, min=0)})
    return check_table(pl.DataFrame({"c": values}), checks, now_us=0)


DECLARED = f'{VALUE}[checks.flights.columns]\nc = {{ type = "integer", min = 0 }}\n'


@pytest.mark.parametrize(
    ("report", "toml", "verdict"),
    [
        (checked([1]), DECLARED, PASS),
        (checked([-1]), DECLARED, FAIL),
        (checked([-1]), VALUE, FAIL),
        (None, DECLARED, OPEN),
        (None, VALUE, PASS),
    ],
)
def test_data_must_have_passed_its_checks(report: CheckReport | None, toml: str, verdict: Verdict) -> None:
    data = [DataEvidence(dataset="flights", reference="flights@3", report=report)]
    assert found(judge(evidence(data=data), toml=toml), "data flights@3").verdict is verdict
    off = judge(evidence(data=data), toml=f"{toml}[gate.delay]\ndata_checks = false\n")
    assert all(not check.name.startswith("data") for check in off.checks)


def test_a_report_says_whether_its_checks_are_todays() -> None:
    data = [DataEvidence(dataset="flights", reference="flights@3", report=checked([1]))]
    today = found(judge(evidence(data=data), toml=DECLARED), "data flights@3").evidence
    assert today["as_declared_now"] is True
    later = found(judge(evidence(data=data), toml=DECLARED.replace("min = 0", "min = 1")), "data flights@3").evidence
    assert later["as_declared_now"] is False


def test_a_pickle_needs_the_policy() -> None:
    assert found(judge(evidence(unsafe=["a pickle"])), "package").verdict is FAIL
    assert judge(evidence(unsafe=["a pickle"]), toml=f"{VALUE}[policy]\nallow_pickle = true\n").passed


def approval(actor: str, package: str = "p2") -> Approval:
    return Approval(actor=actor, package=Digest(package), at_us=1)


@pytest.mark.parametrize(
    ("approvals", "verdict"),
    [
        ([], OPEN),
        ([approval("bob"), approval("bob")], OPEN),
        ([approval("bob"), approval("ann")], OPEN),
        ([approval("bob"), approval("eve", package="p1")], OPEN),
        ([approval("bob"), approval("eve")], PASS),
    ],
)
def test_approvals_count_people_other_than_the_author_and_are_bound_to_the_bytes(
    approvals: list[Approval], verdict: Verdict
) -> None:
    report = judge(evidence(approvals=approvals), toml=f"{VALUE}[policy]\napprovals = 2\n")
    assert found(report, "approvals").verdict is verdict


def test_which_names_are_guarded() -> None:
    gate = DeclaredGate(settings_of('[gate.delay]\naliases = ["champion", "canary"]\n'))
    assert gate.guarded("delay") == ("champion", "canary")
    assert gate.guarded("another") == ("champion",)
    assert DeclaredGate(settings_of("[gate.delay]\naliases = []\n")).guarded("delay") == ()


@pytest.mark.parametrize("logged_by_mlflow", [True, False])
def test_a_version_without_an_evaluation_is_told_what_can_be_done(logged_by_mlflow: bool) -> None:
    without = evidence(evaluation=None)
    if logged_by_mlflow:
        model = msgspec.structs.replace(without.package.model, format=ModelFormat.MLFLOW)
        without = msgspec.structs.replace(without, package=msgspec.structs.replace(without.package, files=(model,)))
    check = found(judge(without), "evaluation")
    assert (check.verdict, check.evidence) == (OPEN, {"lacks": "evaluation"})
    assert ("evaluate it on held-out rows" in check.reason) is not logged_by_mlflow
    assert ("[gate.delay] aliases = []" in check.reason) is logged_by_mlflow


def test_the_same_evidence_gives_the_same_report_and_other_settings_another() -> None:
    assert judge(evidence(), evidence(1)) == judge(evidence(), evidence(1))
    assert judge(evidence()).policy != judge(evidence(), toml=f"{VALUE}[gate.delay]\nmargin = 0.06\n").policy


@pytest.mark.parametrize(
    ("low", "high", "no_worse", "better"),
    [(-2, -1, PASS, PASS), (-1, 0, PASS, OPEN), (0, 0, PASS, FAIL), (-1, 1, OPEN, OPEN), (0.5, 1, FAIL, FAIL)],
)
def test_verdicts_on_differences(low: float, high: float, no_worse: Verdict, better: Verdict) -> None:
    assert verdict_no_worse(trial(low, high), 0.0) is no_worse
    assert verdict_better(trial(low, high)) is better


def test_costs_that_differ_by_the_order_of_adding_are_the_same() -> None:
    costs = [cost * (1 + 4e-16) + 1e-13 for cost in GOOD.units.cost]
    nearly = msgspec.structs.replace(GOOD, units=msgspec.structs.replace(GOOD.units, cost=costs))
    assert costs != list(GOOD.units.cost)
    check = found(
        judge(evidence(evaluation=nearly), evidence(1), toml=VALUE + "[gate.delay]\nmargin = 0\n"), "champion"
    )
    assert (check.verdict, check.value) == (PASS, 0)
    assert check.reason == "it costs the same as delay@1, within the margin of 0"


@pytest.mark.parametrize(
    ("low", "value", "high", "said"),
    [
        (0.125, 0.25, 0.375, "it costs 0.25 [0.125, 0.375] a decision more than delay@1"),
        (-1.0, -0.25, 0.5, "it costs 0.25 [-0.5, 1] a decision less than delay@1"),
        (-0.5, 0.0, 0.5, "it costs 0 [-0.5, 0.5] a decision more than delay@1"),
        (0.0, 0.0, 0.0, "it costs the same as delay@1"),
    ],
)
def test_a_difference_of_costs_is_told_without_a_minus_before_more(
    low: float, value: float, high: float, said: str
) -> None:
    difference = Interval(value=value, low=low, high=high, level=0.95, units=9, method="t")
    assert cost_against(difference, "delay@1") == said
