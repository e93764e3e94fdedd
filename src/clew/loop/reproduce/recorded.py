"""What is known of a run that is to be repeated, read from the ledger before anything starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, Invalid, NotFound
from clew.core.ids import Digest
from clew.core.types.dataset import DatasetVersion
from clew.core.types.edge import Role, node
from clew.core.types.model import ModelVersion
from clew.core.types.run import Artifact, Run, RunKind, RunStatus
from clew.core.types.series import Series, SeriesBlock
from clew.core.types.step import StepRun
from clew.tracking.capture import Command, Environment, Hardware, Kernels, Seeds, Source, Threads, read_aspect
from clew.tracking.ranks import RANK_TAG

__all__ = ["Capture", "Recorded", "capture_of", "check_repeatable", "ingredients_of", "recorded_of"]

T = TypeVar("T")

_CLOSURE = "closure"


@dataclass(frozen=True, kw_only=True)
class Capture:
    """What a run recorded about where it ran; an aspect that it did not record is None."""

    source: Source | None
    command: Command | None
    environment: Environment | None
    hardware: Hardware | None
    threads: Threads | None
    kernels: Kernels | None
    seeds: Seeds | None


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A run and all that hangs on it. `ingredients` holds, by key of a step, what the key was made of; `swapped`, by id
    of an input that was put in the place of another one on purpose, the name of that one."""

    run: Run
    steps: Sequence[StepRun]
    ingredients: Mapping[Digest, Mapping[str, str]]
    series: Sequence[Series]
    blocks: Mapping[str, Sequence[SeriesBlock]]
    artifacts: Sequence[Artifact]
    models: Sequence[ModelVersion]
    made: Sequence[DatasetVersion]
    inputs: Sequence[DatasetVersion] = ()
    swapped: Mapping[str, str] = field(default_factory=dict)


def recorded_of(stores: Stores, run: Run, *, instead: Mapping[str, DatasetVersion] | None = None) -> Recorded:
    """Everything that the ledger knows of a run.

    Args:
        stores: its project, or the room in which it was repeated.
        run: the run.
        instead: by id of a version, the one whose content the room has in its place.
    """
    swaps = instead or {}
    mine = node("run", run.id)
    with stores.ledger.read() as tx:
        steps = tx.steps.of_run(run.id)
        series = tx.series.summaries([run.id])
        down = [edge.target for edge in tx.edges.down(mine, depth=1) if edge.role is Role.OUTPUT]
        up = [edge.source for edge in tx.edges.up(mine, depth=1) if edge.role is Role.INPUT]
        inputs = [tx.datasets.version(each[5:]) for each in up if each.startswith("data:")]
        return Recorded(
            run=run,
            steps=steps,
            ingredients={step.key: ingredients_of(tx, stores.project, step.key) for step in steps},
            series=series,
            blocks={each.key: tx.series.blocks(run.id, each.key) for each in series},
            artifacts=tx.artifacts.list(run.id),
            models=[tx.models.version(each[6:]) for each in down if each.startswith("model:")],
            made=[tx.datasets.version(each[5:]) for each in down if each.startswith("data:")],
            inputs=[swaps.get(version.id, version) for version in inputs],
            swapped={swaps[version.id].id: version.name for version in inputs if version.id in swaps},
        )


def ingredients_of(tx: Transaction, project: str, key: Digest) -> dict[str, str]:
    """What a step's key was made of, with the ingredients of its closure; empty where no result was kept."""
    entry = tx.steps.find(project, key) if key else None
    if entry is None:
        return {}
    closure = tx.steps.find(project, Digest(entry.ingredients.get(_CLOSURE, "")))
    reached = closure.ingredients if closure is not None else {}
    return {**reached, **{name: value for name, value in entry.ingredients.items() if name != _CLOSURE}}


def capture_of(stores: Stores, run: Run) -> Capture:
    """What a run recorded about where it ran."""
    return Capture(
        source=_aspect(stores, run, "source", Source),
        command=_aspect(stores, run, "command", Command),
        environment=_aspect(stores, run, "environment", Environment),
        hardware=_aspect(stores, run, "hardware", Hardware),
        threads=_aspect(stores, run, "threads", Threads),
        kernels=_aspect(stores, run, "kernels", Kernels),
        seeds=_aspect(stores, run, "seeds", Seeds),
    )


def check_repeatable(run: Run, capture: Capture) -> tuple[Source, Command]:
    """The source and command of a run that can be repeated.

    Raises:
        Invalid: it cannot, because of what it is or of what it did not record.
        Conflict: it has not finished.
    """
    said = f"run {run.name} cannot be reproduced"
    if run.kind is RunKind.REPRODUCTION:
        original = run.tags.get("reproduces", "")
        raise Invalid(f"{said}: it is a reproduction itself", hint=f"clew reproduce {original or 'RUN'}")
    if run.kind is RunKind.NOTEBOOK:
        raise Invalid(
            f"{said}: it ran in a notebook, whose cells may have run in any order",
            hint="export the notebook (jupyter nbconvert --to script) and use clew run SCRIPT",
        )
    if any(tag.startswith(RANK_TAG) for tag in run.tags):
        raise Invalid(
            f"{said}: it was trained by several processes, and what started them was not recorded",
            hint="start the launcher by clew run, as in: clew run -m torch.distributed.run …",
        )
    if run.status is not RunStatus.FINISHED:
        raise Conflict(f"{said}: it is {run.status}", hint="there is no result to compare with")
    if capture.source is None or capture.command is None:
        raise Invalid(
            f"{said}: it recorded no source",
            hint="runs with capture=False cannot be repeated, nor those of a project with [capture] source = false",
        )
    if "***" in capture.command.words:
        raise Invalid(
            f"{said}: a word of its command is a secret, which was not recorded",
            hint="hand secrets to scripts in environment variables",
        )
    return capture.source, capture.command


def _aspect(stores: Stores, run: Run, aspect: str, type: type[T]) -> T | None:
    try:
        return read_aspect(stores.objects, run, aspect, type)
    except NotFound:
        return None
