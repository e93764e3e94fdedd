"""The gate that `clew.toml` declares: composes the checks of a version into one report.

Each check is a pure function of evidence and settings; what they mean and why they are as they are:
docs/explanation/gate.md.
"""

from __future__ import annotations

from clew.core.canonical import digest_of
from clew.core.types.gate import Evidence, GateCheck, GateReport, Verdict, seal_report, verdict_of
from clew.policy.guardrails import check_auc, check_latency, check_slices
from clew.policy.package import check_approvals, check_data, check_package
from clew.policy.worth import check_champion, check_evaluation, check_trivial
from clew.settings import Settings

__all__ = ["DeclaredGate"]


class DeclaredGate:
    """Judges by the settings of a project. A `clew.core.contracts.gate.Gate`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def guarded(self, model: str) -> tuple[str, ...]:
        """The names of a model that only a version which passes may have."""
        return self._settings.gate_of(model).aliases

    def alike(self, one: str, other: str) -> bool:
        """Whether versions of two models are judged by the same terms."""
        settings = self._settings
        return (settings.gate_of(one), settings.value.get(one)) == (settings.gate_of(other), settings.value.get(other))

    def judge(self, candidate: Evidence, champion: Evidence | None, *, at_us: int) -> GateReport:
        """Judge a version against the champion, or alone when there is none."""
        version, settings = candidate.version, self._settings
        policy = (settings.gate_of(version.name), settings.policy, settings.value.get(version.name))
        checks = self._checks(candidate, champion)
        return seal_report(
            GateReport(
                model=version.name,
                version=version.id,
                number=version.number,
                package=version.package,
                champion=champion.version.id if champion else "",
                policy=digest_of("clew.gate.policy/0", policy),
                created_us=at_us,
                verdict=verdict_of(checks),
                checks=checks,
            )
        )

    def _checks(self, candidate: Evidence, champion: Evidence | None) -> list[GateCheck]:
        settings, name = self._settings, candidate.version.name
        asked = settings.gate_of(name)
        checks = [check_package(candidate, settings.policy)]
        if asked.data_checks:
            checks += check_data(candidate, settings.checks)
        if settings.policy.approvals:
            checks.append(check_approvals(candidate, settings.policy.approvals))
        if asked.max_latency_ms is not None:
            checks.append(check_latency(candidate.package.compilation, asked.max_latency_ms))
        usable = check_evaluation(candidate, asked, settings.value.get(name))
        checks.append(usable)
        evaluation = candidate.evaluation
        if usable.verdict is not Verdict.PASS or evaluation is None:
            return checks
        checks += check_trivial(evaluation, asked)
        if champion is not None:
            checks.append(check_champion(candidate, champion, asked))
        if asked.min_auc is not None:
            checks.append(check_auc(evaluation, asked.min_auc))
        return checks + check_slices(evaluation, champion.evaluation if champion else None, asked)
