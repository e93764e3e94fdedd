"""Everything about one run in one struct, for people and for `--json`."""

from __future__ import annotations

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import NotFound
from clew.core.types.edge import Edge, Node, Role, node
from clew.core.types.run import Artifact, Run
from clew.core.types.series import Series
from clew.core.types.step import StepRun
from clew.tracking.certificate import Certificate, certificates_of

__all__ = ["Link", "Overview", "overview_of"]


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What a run used or made: a node, and its reference where it has one (`flights@7`)."""

    node: str
    role: Role
    reference: str = ""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """A run with all that hangs on it."""

    run: Run
    experiment: str
    metrics: list[Series]
    artifacts: list[Artifact]
    inputs: list[Link]
    outputs: list[Link]
    steps: list[StepRun]
    children: list[Run]
    certificates: list[Certificate] = []


def overview_of(stores: Stores, run: Run) -> Overview:
    """What the ledger knows of a run."""
    mine = node("run", run.id)
    certificates = certificates_of(stores, run.id)
    with stores.ledger.read() as tx:
        up, down = tx.edges.up(mine, depth=1), tx.edges.down(mine, depth=1)
        return Overview(
            run=run,
            experiment=tx.experiments.get(run.experiment).name,
            metrics=tx.series.summaries([run.id]),
            artifacts=tx.artifacts.list(run.id),
            inputs=[_link(tx, edge, edge.source) for edge in up],
            outputs=[_link(tx, edge, edge.target) for edge in down],
            steps=tx.steps.of_run(run.id),
            children=tx.runs.list(stores.project, parent=run.id).items,
            certificates=certificates,
        )


def _link(tx: Transaction, edge: Edge, other: Node) -> Link:
    return Link(node=other, role=edge.role, reference=_reference(tx, other))


def _reference(tx: Transaction, other: Node) -> str:
    kind, _, name = other.partition(":")
    try:
        if kind == "data":
            return tx.datasets.version(name).reference
        return tx.models.version(name).reference if kind == "model" else ""
    except NotFound:
        return ""
