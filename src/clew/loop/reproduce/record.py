"""Brings the repeated run home: from the clean room into the project, as a run of kind `reproduction`."""

from __future__ import annotations

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.types.edge import Role, node
from clew.core.types.run import Artifact, Run, RunKind, RunStatus
from clew.loop.reproduce.recorded import Recorded
from clew.loop.reproduce.reproduction import Reproduction
from clew.tracking.runs import LedgerRuns
from clew.tracking.start import link_capture

__all__ = ["EXPERIMENT", "REPORT", "bring_home"]

EXPERIMENT = "reproductions"
REPORT = "reproduction.json"


def bring_home(stores: Stores, original: Run, now: Recorded, found: Reproduction) -> None:
    """Add the repeated run to the project, with its steps, metrics and files, and what the comparison found.

    Models and dataset versions that it made stay in the room: they are named by digest in the report.

    Args:
        stores: the project.
        original: the run that was repeated.
        now: the repeated run, as the room knows it.
        found: the comparison.
    """
    runs, repeated = LedgerRuns(stores), now.run
    run = msgspec.structs.replace(
        repeated,
        project=stores.project,
        name=f"{original.name}, repeated",
        kind=RunKind.REPRODUCTION,
        status=RunStatus.RUNNING,
        ended_us=0,
        parent="",
        tags={**repeated.tags, "reproduces": original.id, "verdict": found.verdict},
    )
    run = runs.create(run, experiment=EXPERIMENT)
    link_capture(runs, run)
    for version in now.inputs:
        runs.link(run.id, node("data", version.id), Role.INPUT)
    if now.blocks:
        runs.append([block for blocks in now.blocks.values() for block in blocks])
    with stores.ledger.write() as tx:
        tx.steps.record(now.steps)
    report = msgspec.json.encode(found)
    for artifact in (
        *now.artifacts,
        Artifact(
            run=run.id,
            path=REPORT,
            digest=stores.objects.put(report),
            size_bytes=len(report),
            media_type="application/x-clew-reproduction",
            created_us=found.ended_us,
        ),
    ):
        runs.add_artifact(artifact)
    runs.finish(run.id, repeated.status, ended_us=repeated.ended_us, reason=repeated.reason)
