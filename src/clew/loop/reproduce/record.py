"""Brings the repeated run home: from the clean room into the project, as a run of kind `reproduction`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.ids import Digest
from clew.core.types.edge import Edge, Role, node
from clew.core.types.run import Artifact, Experiment, Run, RunKind
from clew.loop.reproduce.recorded import Recorded
from clew.loop.reproduce.reproduction import Reproduction
from clew.store.account import account_of_run
from clew.tracking.certificate import CERTIFICATE, CERTIFICATE_TYPE

__all__ = ["EXPERIMENT", "REPORT", "bring_home"]

EXPERIMENT = "reproductions"
REPORT = "reproduction.json"
REPORT_TYPE = "application/x-clew-reproduction"
_LINEAGE = (("source", "code", Role.CODE), ("environment", "environment", Role.ENVIRONMENT))


def bring_home(
    stores: Stores,
    original: Run,
    now: Recorded,
    found: Reproduction,
    sign: Callable[[Digest], bytes] | None = None,
) -> Digest:
    """Add the repeated run to the project, with its steps, metrics and files, and what the comparison found.

    All of it in one transaction, so that a kill leaves a whole run or none. Models and dataset versions that it made
    stay in the room: they are named by digest in the report.

    Args:
        stores: the project.
        original: the run that was repeated.
        now: the repeated run, as the room knows it.
        found: the comparison.
        sign: makes the certificate of a report, where there is to be one.

    Returns:
        The object of the certificate; empty where there is none.
    """
    report = msgspec.json.encode(found)
    digest = stores.objects.put(report)
    kept = [(REPORT, digest, len(report), REPORT_TYPE)]
    certificate = Digest("")
    if sign is not None:
        signed = sign(digest)
        certificate = stores.objects.put(signed)
        kept.append((CERTIFICATE, certificate, len(signed), CERTIFICATE_TYPE))
    with stores.ledger.write() as tx:
        run = msgspec.structs.replace(
            now.run,
            project=stores.project,
            experiment=_experiment(tx, stores).id,
            name=f"{original.name}, repeated",
            kind=RunKind.REPRODUCTION,
            parent="",
            tags={**now.run.tags, "reproduces": original.id, "verdict": str(found.verdict)},
        )
        tx.runs.add(run)
        tx.series.append([block for blocks in now.blocks.values() for block in blocks])
        tx.steps.record(now.steps)
        for artifact in now.artifacts:
            tx.artifacts.put(artifact)
        for path, each, size, kind in kept:
            tx.artifacts.put(
                Artifact(
                    run=run.id,
                    path=path,
                    digest=each,
                    size_bytes=size,
                    media_type=kind,
                    created_us=found.ended_us,
                )
            )
        tx.edges.add(_edges(run, now))
        facts: dict[str, object] = {"repeated": run.id, "verdict": found.verdict, "report": digest}
        facts |= {"certificate": certificate} if certificate else {}
        mine = node("run", run.id)
        stores.tell(tx, "run.created", mine, {"name": run.name, "experiment": EXPERIMENT})
        stores.tell(tx, "run.ended", mine, {"status": run.status, "reason": "", **account_of_run(tx, run)})
        stores.tell(tx, "run.reproduced", node("run", original.id), facts)
    return certificate


def _experiment(tx: Transaction, stores: Stores) -> Experiment:
    found = tx.experiments.find(stores.project, EXPERIMENT)
    if found is None:
        now_us = stores.clock.now_us()
        found = Experiment(id=stores.ids(), project=stores.project, name=EXPERIMENT, created_us=now_us)
        tx.experiments.add(found)
    return found


def _edges(run: Run, now: Recorded) -> list[Edge]:
    mine = node("run", run.id)
    sources = [(node("data", version.id), Role.INPUT) for version in now.inputs]
    sources += [(node(kind, run.capture[aspect]), role) for aspect, kind, role in _LINEAGE if aspect in run.capture]
    return [Edge(source=source, target=mine, role=role, run=run.id, at_us=run.created_us) for source, role in sources]
