"""Everything about one run in one struct, for people and for `--json`."""

from __future__ import annotations

import msgspec

from clew.core.contracts.services import Services
from clew.core.types.edge import Role, node
from clew.core.types.run import Artifact, Run
from clew.core.types.series import Series
from clew.core.types.step import StepRun
from clew.tracking.branch import branch_of
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
    branch: str = ""
    remote: str = ""


def overview_of(project: Services, run: Run) -> Overview:
    """What a project knows of a run."""
    mine = node("run", run.id)
    up, down = project.lineage.up(mine, depth=1), project.lineage.down(mine, depth=1)
    named = project.lineage.references([edge.source for edge in up] + [edge.target for edge in down])
    branch = branch_of(project.objects, run)
    experiments = {experiment.id: experiment.name for experiment in project.runs.experiments()}
    return Overview(
        run=run,
        experiment=experiments[run.experiment],
        metrics=project.runs.summaries([run.id]),
        artifacts=project.runs.artifacts(run.id),
        inputs=[Link(node=edge.source, role=edge.role, reference=named.get(edge.source, "")) for edge in up],
        outputs=[Link(node=edge.target, role=edge.role, reference=named.get(edge.target, "")) for edge in down],
        steps=project.steps.of_run(run.id),
        children=project.runs.list(parent=run.id).items,
        certificates=certificates_of(project.events, project.objects, run.id),
        branch=branch.name,
        remote=branch.remote,
    )
