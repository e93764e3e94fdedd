"""Everything about one run in one struct, for people and for `--json`."""

from __future__ import annotations

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.contracts.services import Services
from clew.core.errors import NotFound
from clew.core.types.edge import Role, node
from clew.core.types.run import Artifact, Run
from clew.core.types.series import Series
from clew.core.types.step import StepRun
from clew.tracking.capture import Source, read_aspect
from clew.tracking.capture.git import GitState
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
    git = _git(project.objects, run)
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
        branch=git.branch if git is not None else "",
        remote=git.remote if git is not None else "",
    )


def _git(objects: Objects, run: Run) -> GitState | None:
    """What git said of the source, if the run recorded it; its address has no password in it."""
    try:
        return read_aspect(objects, run, "source", Source).git
    except NotFound:
        return None
