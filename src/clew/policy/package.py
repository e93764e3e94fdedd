"""Gate checks on what a version is made of: its package, the data it was trained on, and who stands for it."""

from __future__ import annotations

from collections.abc import Mapping

from clew.core.numbers import counted
from clew.core.types.check_plan import plan_checks
from clew.core.types.checks import Checks
from clew.core.types.gate import DataEvidence, Evidence, GateCheck, Verdict
from clew.settings import PolicySettings

__all__ = ["check_approvals", "check_data", "check_package"]

_SHOWN = 5


def check_package(candidate: Evidence, policy: PolicySettings) -> GateCheck:
    """Whether the package is what the version names, and can be read without running code of its own."""
    model, unsafe = candidate.package.model, list(candidate.package.unsafe)
    facts: dict[str, object] = {"format": str(model.format), "unsafe": unsafe, "types": list(model.types)}
    if unsafe and not policy.allow_pickle:
        reason = f"{'; '.join(unsafe)}; [policy] allow_pickle does not allow that"
        return GateCheck(name="package", verdict=Verdict.FAIL, reason=reason, evidence=facts)
    reason = "its pickle is allowed by [policy] allow_pickle" if unsafe else f"written as {model.format}"
    return GateCheck(name="package", verdict=Verdict.PASS, reason=reason, evidence=facts)


def check_data(candidate: Evidence, declared: Mapping[str, Checks]) -> list[GateCheck]:
    """Whether the data that it was trained on passed its checks; data without checks has nothing to fail."""
    return [_check_version(data, declared) for data in candidate.data]


def _check_version(data: DataEvidence, declared: Mapping[str, Checks]) -> GateCheck:
    name, report = f"data {data.reference}", data.report
    if report is None:
        known = data.dataset in declared
        return GateCheck(
            name=name,
            verdict=Verdict.CANNOT_TELL if known else Verdict.PASS,
            reason="its checks were never run" if known else f"no [checks.{data.dataset}] are declared",
        )
    failed = [result.check.name for result in report.errors]
    shown = ", ".join(failed[:_SHOWN]) + (" and more" if len(failed) > _SHOWN else "")
    passed = f"{counted(report.rows, 'rows')} passed {counted(len(report.results), 'checks')}"
    return GateCheck(
        name=name,
        verdict=Verdict.FAIL if failed else Verdict.PASS,
        reason=f"failed {shown}" if failed else passed,
        evidence={
            "failed": failed,
            "warned": [result.check.name for result in report.warnings],
            "rows": report.rows,
            "checks": report.checks,
            "as_declared_now": data.dataset in declared and report.checks == plan_checks(declared[data.dataset]).digest,
        },
    )


def check_approvals(candidate: Evidence, needed: int) -> GateCheck:
    """Whether enough people other than the author stand for exactly this package."""
    version = candidate.version
    people = sorted(
        {a.actor for a in candidate.approvals if a.package == version.package and a.actor != version.created_by}
    )
    return GateCheck(
        name="approvals",
        verdict=Verdict.PASS if len(people) >= needed else Verdict.CANNOT_TELL,
        reason=f"{len(people)} of {needed} approvals of this package by others than {version.created_by}",
        value=float(len(people)),
        threshold=float(needed),
        evidence={"people": people},
    )
