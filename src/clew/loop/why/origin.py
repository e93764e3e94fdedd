"""Where a model version came from: the run with what it recorded, and its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from clew.audit.events import LedgerEvents
from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import NotFound
from clew.core.ids import Digest
from clew.core.types.edge import Edge, Node, Role, node
from clew.core.types.run import Run, RunKind, RunStatus, Scalar
from clew.core.types.step import StepOutcome, StepRun
from clew.tracking.branch import branch_of
from clew.tracking.capture.environment import Environment
from clew.tracking.capture.hardware import Hardware
from clew.tracking.capture.seeds import Seeds
from clew.tracking.capture.snapshot import read_aspect
from clew.tracking.capture.source import Source
from clew.tracking.capture.threads import Threads
from clew.tracking.certificate import Certificate, certificates_of

__all__ = [
    "CodeOrigin",
    "EnvironmentOrigin",
    "RunOrigin",
    "SeedOrigin",
    "StepOrigin",
    "run_origin",
    "steps_of",
]

T = TypeVar("T")


class CodeOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """The code of a run: `snapshot` is the digest of its list of files, empty where only git's words are known, as of a
    run of another tracker; `commit` ends with `+` for a changed tree."""

    snapshot: Digest
    entry: str
    files: int
    commit: str
    branch: str
    remote: str
    left_out: int


class EnvironmentOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """Python, the number of installed distributions, and the digest of the whole list."""

    digest: Digest
    python: str
    system: str
    machine: str
    distributions: int


class SeedOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """Where random numbers came from. `hash_seed` is empty where Python drew one, `states` are generators kept."""

    digest: Digest
    hash_seed: str
    states: list[str]


class RunOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """A run, and what it recorded about itself; an aspect that it did not record is None."""

    id: str
    name: str
    kind: RunKind
    status: RunStatus
    created_us: int
    ended_us: int
    created_by: str
    command: list[str]
    entry: str
    params: dict[str, Scalar]
    parent: str
    triggered_by: list[Node]
    code: CodeOrigin | None
    environment: EnvironmentOrigin | None
    hardware: Hardware | None
    threads: dict[str, int | str]
    seeds: SeedOrigin | None
    certificates: list[Certificate] = []


class StepOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a run. `made_by` is the run that executed it: another one where the result came from the cache."""

    position: int
    step: str
    outcome: StepOutcome
    key: Digest
    output: Digest
    duration_us: int
    inputs: list[int]
    made_by: str


def run_origin(stores: Stores, run: Run, edges: list[Edge]) -> RunOrigin:
    """A run as the thread shows it.

    Args:
        stores: the project.
        run: the run.
        edges: its lineage, backwards.
    """
    mine = node("run", run.id)
    hardware, threads = _aspect(stores, run, "hardware", Hardware), _aspect(stores, run, "threads", Threads)
    return RunOrigin(
        id=run.id,
        name=run.name,
        kind=run.kind,
        status=run.status,
        created_us=run.created_us,
        ended_us=run.ended_us,
        created_by=run.created_by,
        command=run.command,
        entry=run.entry,
        params=run.params,
        parent=run.parent,
        triggered_by=sorted({e.source for e in edges if e.target == mine and e.role is Role.TRIGGERED}),
        code=_code(stores, run),
        environment=_environment(stores, run),
        hardware=hardware,
        threads={**threads.asked, **threads.effective} if threads is not None else {},
        seeds=_seeds(stores, run),
        certificates=certificates_of(LedgerEvents(stores), stores.objects, run.id),
    )


def steps_of(stores: Stores, run: str) -> list[StepOrigin]:
    """The steps of a run, by position."""
    with stores.ledger.read() as tx:
        return [_step(tx, stores.project, step) for step in tx.steps.of_run(run)]


def _code(stores: Stores, run: Run) -> CodeOrigin | None:
    source, branch = _aspect(stores, run, "source", Source), branch_of(stores.objects, run)
    if source is None and not (run.commit or branch.name):
        return None
    return CodeOrigin(
        snapshot=run.capture.get("source", Digest("")),
        entry=run.entry if source is None else source.entry,
        files=0 if source is None else len(source.files),
        commit=run.commit,
        branch=branch.name,
        remote=branch.remote,
        left_out=0 if source is None else len(source.left_out),
    )


def _environment(stores: Stores, run: Run) -> EnvironmentOrigin | None:
    environment = _aspect(stores, run, "environment", Environment)
    if environment is None:
        return None
    return EnvironmentOrigin(
        digest=run.capture["environment"],
        python=environment.python,
        system=environment.system,
        machine=environment.machine,
        distributions=len(environment.packages),
    )


def _seeds(stores: Stores, run: Run) -> SeedOrigin | None:
    seeds = _aspect(stores, run, "seeds", Seeds)
    if seeds is None:
        return None
    kept: Mapping[str, object] = {"python": seeds.python, "numpy": seeds.numpy, "torch": seeds.torch_seed}
    return SeedOrigin(
        digest=run.capture["seeds"],
        hash_seed=seeds.hash_seed,
        states=[name for name, state in kept.items() if state is not None],
    )


def _step(tx: Transaction, project: str, step: StepRun) -> StepOrigin:
    entry = tx.steps.find(project, step.key) if step.outcome is StepOutcome.CACHED else None
    return StepOrigin(
        position=step.position,
        step=step.step,
        outcome=step.outcome,
        key=step.key,
        output=step.output,
        duration_us=step.duration_us,
        inputs=step.inputs,
        made_by=entry.run if entry is not None else step.run,
    )


def _aspect(stores: Stores, run: Run, aspect: str, type: type[T]) -> T | None:
    try:
        return read_aspect(stores.objects, run, aspect, type)
    except NotFound:
        return None
