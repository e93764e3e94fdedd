"""Where a model version came from: the run with what it recorded, its steps, and every data version behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from clew.audit.events import LedgerEvents
from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import NotFound
from clew.core.ids import Digest
from clew.core.types.dataset import DatasetKind
from clew.core.types.edge import Edge, Node, Role, node
from clew.core.types.run import Run, RunKind, RunStatus, Scalar
from clew.core.types.step import StepOutcome, StepRun
from clew.tracking.capture.environment import Environment
from clew.tracking.capture.hardware import Hardware
from clew.tracking.capture.seeds import Seeds
from clew.tracking.capture.snapshot import read_aspect
from clew.tracking.capture.source import Source
from clew.tracking.capture.threads import Threads
from clew.tracking.certificate import Certificate, certificates_of

__all__ = [
    "CodeOrigin",
    "DataOrigin",
    "EnvironmentOrigin",
    "RunOrigin",
    "SeedOrigin",
    "StepOrigin",
    "data_behind",
    "run_origin",
    "steps_of",
]

T = TypeVar("T")

_FLOWS = frozenset({Role.INPUT, Role.OUTPUT, Role.EVALUATION})


class CodeOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """The code of a run: `snapshot` is the digest of its list of files, `commit` ends with `+` for a changed tree."""

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


class DataOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset version that flowed into the model, directly or through others.

    `into` names what it flowed into, `out_of` what flowed into it: other versions, a run, an endpoint whose labelled
    decisions it holds.
    """

    id: str
    reference: str
    kind: DatasetKind
    digest: Digest
    rows: int
    size_bytes: int
    created_us: int
    created_by: str
    message: str
    run: str
    into: list[str]
    out_of: list[str]


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


def data_behind(tx: Transaction, starts: list[Node], edges: list[Edge]) -> list[DataOrigin]:
    """Every dataset version from which something flowed into one of the nodes, nearest first.

    Args:
        tx: to name them.
        starts: the model version and its run.
        edges: their lineage, backwards; what only triggered a run did not flow into it.
    """
    found: dict[str, list[Node]] = {}
    level, seen = list(starts), set(starts)
    while level:
        reached: list[Node] = []
        for edge in edges:
            if edge.target in level and edge.role in _FLOWS:
                if edge.source.startswith("data:"):
                    into = found.setdefault(edge.source.partition(":")[2], [])
                    into += [edge.target] if edge.target not in into else []
                if edge.source not in seen:
                    seen.add(edge.source)
                    reached.append(edge.source)
        level = reached
    names, sources = _Names(tx), _sources(edges)
    return [
        _data(
            tx,
            version,
            into=[names.of(each) for each in into],
            out_of=[names.of(each) for each in sources.get(node("data", version), ())],
        )
        for version, into in found.items()
    ]


def _code(stores: Stores, run: Run) -> CodeOrigin | None:
    source = _aspect(stores, run, "source", Source)
    if source is None:
        return None
    return CodeOrigin(
        snapshot=run.capture["source"],
        entry=source.entry,
        files=len(source.files),
        commit=run.commit,
        branch=source.git.branch if source.git is not None else "",
        remote=source.git.remote if source.git is not None else "",
        left_out=len(source.left_out),
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


def _sources(edges: list[Edge]) -> dict[Node, list[Node]]:
    """By node, what flowed into it."""
    found: dict[Node, dict[Node, None]] = {}
    for edge in edges:
        if edge.role in _FLOWS:
            found.setdefault(edge.target, {})[edge.source] = None
    return {target: list(sources) for target, sources in found.items()}


def _data(tx: Transaction, id: str, *, into: list[str], out_of: list[str]) -> DataOrigin:
    version = tx.datasets.version(id)
    return DataOrigin(
        id=id,
        reference=version.reference,
        kind=version.kind,
        digest=version.digest,
        rows=version.rows,
        size_bytes=version.size_bytes,
        created_us=version.created_us,
        created_by=version.created_by,
        message=version.message,
        run=version.run,
        into=into,
        out_of=out_of,
    )


class _Names:
    """Names of nodes as people say them."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def of(self, node: Node) -> str:
        kind, _, name = node.partition(":")
        try:
            if kind == "run":
                return f"run {self._tx.runs.get(name).name}"
            if kind == "data":
                return self._tx.datasets.version(name).reference
            if kind == "model":
                return self._tx.models.version(name).reference
            if kind == "endpoint":
                return f"endpoint {self._tx.endpoints.get(name).name}"
        except NotFound:
            return node
        return node


def _aspect(stores: Stores, run: Run, aspect: str, type: type[T]) -> T | None:
    try:
        return read_aspect(stores.objects, run, aspect, type)
    except NotFound:
        return None
