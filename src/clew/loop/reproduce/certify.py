"""Puts what a reproduction found into a statement that can be signed."""

from __future__ import annotations

from importlib import metadata

from clew.core.ids import Digest
from clew.loop.reproduce.recorded import Capture, Recorded
from clew.loop.reproduce.reproduction import Reproduction
from clew.tracking.certificate import Statement

__all__ = ["statement_of"]


def statement_of(found: Reproduction, recorded: Recorded, again: Capture, *, by: str, report: Digest) -> Statement:
    """The statement of a reproduction.

    Args:
        found: the comparison.
        recorded: the first time.
        again: what the reproduction recorded of itself.
        by: who repeated the run.
        report: the object that holds `found`.
    """
    numbered = {f"{step.step} {step.position}": step for step in found.steps}
    outputs = {f"{each.kind} {each.name}": each for each in found.outputs}
    return Statement(
        run=found.run,
        name=found.name,
        repeated=found.repeated,
        verdict=str(found.verdict),
        tolerance=found.tolerance,
        at_us=found.ended_us,
        by=by,
        record=dict(recorded.run.capture),
        data={version.reference: version.digest for version in recorded.inputs},
        steps={name: step.recorded for name, step in numbered.items()},
        outputs={name: each.recorded for name, each in outputs.items()},
        metrics={each.metric: each.recorded for each in found.metrics},
        models={version.reference: version.package for version in recorded.models},
        differs=[
            *(f"step {name}" for name, step in numbered.items() if step.same is False),
            *(name for name, each in outputs.items() if not each.same),
            *(f"metric {each.metric}" for each in found.metrics if not each.same),
        ],
        factors=[
            {"kind": str(each.kind), "name": each.name, "recorded": each.recorded, "now": each.now}
            for each in found.factors
        ],
        environment=found.environment,
        python=again.environment.python if again.environment is not None else "",
        machine=_machine(again),
        clew=_version(),
        report=report,
    )


def _machine(again: Capture) -> dict[str, str]:
    found = {}
    if again.environment is not None:
        found["system"] = f"{again.environment.system} {again.environment.machine} {again.environment.libc}".strip()
    if again.hardware is not None:
        found |= {"host": again.hardware.host, "processor": again.hardware.cpu}
        found |= {"instructions": " ".join(again.hardware.features)}
    return found


def _version() -> str:
    try:
        return metadata.version("clew")
    except metadata.PackageNotFoundError:
        return ""
