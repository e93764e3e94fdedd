"""Gates: what a model version had to show, what it showed, and the verdict. Reasoning: docs/explanation/gate.md.

`clew.core.contracts.gate` is who judges; `clew.policy` judges by `clew.toml`. Layout: docs/design/evaluation.md.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from clew.core.canonical import digest_of
from clew.core.ids import Digest
from clew.core.types.check_report import CheckReport
from clew.core.types.evaluation import Evaluation
from clew.core.types.interval import Interval
from clew.core.types.model import ModelVersion
from clew.core.types.package import Package

__all__ = [
    "Approval",
    "DataEvidence",
    "Evidence",
    "Findings",
    "GateCheck",
    "GateReport",
    "Verdict",
    "seal_report",
    "verdict_of",
]


class Verdict(StrEnum):
    """What the evidence says. `cannot_tell` is not a pass: more evidence is needed."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    CANNOT_TELL = "cannot_tell"

    @property
    def words(self) -> str:
        """As people read it."""
        return self.value.replace("_", " ")


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A person stands for a package: for exactly these bytes, not for a version's name."""

    actor: str
    package: Digest
    at_us: int
    note: str = ""


class DataEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset version that flowed into the model, and what its checks found (None: they were not run)."""

    dataset: str
    reference: str
    report: CheckReport | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate reads about one version; only facts, so that a worker can gather it and a server judge it.

    `trial` is the difference of cost per decision, this version minus the champion, by a test that was valid however
    often it was looked at; where there is one it stands in place of the difference of the two evaluations.
    """

    version: ModelVersion
    package: Package
    evaluation: Evaluation | None = None
    data: list[DataEvidence] = []
    approvals: list[Approval] = []
    trial: Interval | None = None


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beyond the packages, because it was measured later.

    Args:
        evaluation: what the candidate is worth, in place of the evaluation in its package.
        champion: the same of the version that holds the alias.
        data: what the checks of the candidate's data found; when None, its datasets are named without a report.
        trial: the difference of cost per decision of a trial in shadow, candidate minus champion.
    """

    evaluation: Evaluation | None = None
    champion: Evaluation | None = None
    data: tuple[DataEvidence, ...] | None = None
    trial: Interval | None = None


class GateCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was judged: `value` against `threshold`, with the interval and units it rests on."""

    name: str
    verdict: Verdict
    reason: str
    value: float | None = None
    threshold: float | None = None
    interval: Interval | None = None
    units: int = 0
    evidence: dict[str, object] = {}


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement of one version against one champion (empty: there was none).

    `package` binds it to the bytes that were judged, `policy` to the settings that they were judged by. `digest` is
    that of everything else in the report.
    """

    model: str
    version: str
    number: int
    package: Digest
    champion: str
    policy: Digest
    created_us: int
    verdict: Verdict
    checks: list[GateCheck]
    digest: Digest = Digest("")

    @property
    def passed(self) -> bool:
        """Whether a name may move."""
        return self.verdict is Verdict.PASS

    @property
    def against(self) -> list[GateCheck]:
        """The checks that did not pass, failures first."""
        order = [Verdict.FAIL, Verdict.CANNOT_TELL]
        return sorted((c for c in self.checks if c.verdict in order), key=lambda c: order.index(c.verdict))

    @property
    def sealed(self) -> bool:
        """Whether the digest is that of the contents."""
        return self.digest == _digest_of(self)


def verdict_of(checks: list[GateCheck]) -> Verdict:
    """Of all checks together: one failure fails; otherwise one open question leaves it open."""
    verdicts = {check.verdict for check in checks}
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    return Verdict.CANNOT_TELL if Verdict.CANNOT_TELL in verdicts or not checks else Verdict.PASS


def seal_report(report: GateReport) -> GateReport:
    """The report with the digest of its contents."""
    return msgspec.structs.replace(report, digest=_digest_of(report))


def _digest_of(report: GateReport) -> Digest:
    return digest_of("clew.gate/0", msgspec.structs.replace(report, digest=Digest("")))
