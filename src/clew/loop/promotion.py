"""Promotion with everything that is known: what the checks say of the training data now, what a trial has shown, and
how the champion did on the rows that the candidate was tested on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from clew.core.contracts.services import Services
from clew.core.types.dataset import DatasetKind
from clew.core.types.evaluation import Evaluation, decode_evaluation
from clew.core.types.gate import DataEvidence, Findings, GateReport
from clew.core.types.interval import Interval
from clew.core.types.model import Alias, ModelVersion
from clew.core.types.package import Package
from clew.data.checks.batch import check_table
from clew.data.table import read_manifest, scan_table
from clew.registry.package import load_package

if TYPE_CHECKING:
    from clew.settings import Settings

__all__ = ["Promote", "champion_artifact", "judge_version", "promote_version"]


class Promote(Protocol):
    """Gives an alias to a version, through the gate."""

    def __call__(self, version: str, *, reason: str, trial: Interval | None = None) -> None:
        """Move it, or raise `GateRefused`."""
        ...


def champion_artifact(version: str) -> str:
    """The artifact of a training run that holds another version's evaluation on the run's test rows."""
    return f"evaluations/{version}"


def promote_version(
    project: Services,
    settings: Settings,
    reference: str,
    alias: str,
    *,
    reason: str = "",
    expected: int | None = None,
    trial: Interval | None = None,
) -> Alias:
    """Give an alias to a version with all the evidence there is; see `LedgerAliases.promote` for what it raises."""
    candidate, findings = project.models.resolve(reference), None
    if alias in project.aliases.guarded(candidate.name):  # elsewhere nobody looks at them, nor need there be a package
        findings = _findings(project, settings, candidate, alias, trial)
    return project.aliases.promote(candidate.reference, alias, reason=reason, expected=expected, findings=findings)


def judge_version(project: Services, settings: Settings, reference: str, alias: str) -> GateReport:
    """What the gate says, without moving anything."""
    candidate = project.models.resolve(reference)
    return project.aliases.judge(candidate.reference, alias, _findings(project, settings, candidate, alias, None))


def _findings(
    project: Services, settings: Settings, candidate: ModelVersion, alias: str, trial: Interval | None
) -> Findings:
    champion = next((move.version for move in project.models.aliases(candidate.name) if move.alias == alias), "")
    package = load_package(project.objects, candidate.package)
    return Findings(
        data=_data(project, settings, package), champion=_on_the_same_rows(project, candidate, champion), trial=trial
    )


def _data(project: Services, settings: Settings, package: Package) -> tuple[DataEvidence, ...]:
    """Each dataset that the model was trained on, judged by the checks as they are declared now."""
    found = []
    for used in package.data:
        name = used.reference.partition("@")[0]
        report = None
        if name in settings.checks:
            version = project.datasets.version(used.version)
            if version.kind is DatasetKind.TABLE:
                rows = scan_table(project.objects, read_manifest(project.objects, version.manifest))
                report = check_table(rows, settings.checks[name], now_us=version.created_us)
        found.append(DataEvidence(dataset=name, reference=used.reference, report=report))
    return tuple(found)


def _on_the_same_rows(project: Services, candidate: ModelVersion, champion: str) -> Evaluation | None:
    """The champion's evaluation on the candidate's test rows, if it was made when the candidate was trained."""
    if not champion or not candidate.run:
        return None
    path = champion_artifact(champion)
    artifact = next((each for each in project.runs.artifacts(candidate.run) if each.path == path), None)
    return decode_evaluation(project.objects.get(artifact.digest)) if artifact is not None else None
