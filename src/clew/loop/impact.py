"""The thread forward: every run, model, name, endpoint and decision that something touched.

A walk over edges, with one row for a batch of decisions and none for a decision. Two things are not followed. What only
triggered a run (a window in which a monitor saw drift) did not flow into it. And the walk ends at endpoints: what they
were asked, and what came of it, becomes training data, but that is of the world's making and not of the model's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Unavailable
from clew.core.types.edge import Edge, Node, Role, node
from clew.core.types.endpoint import Endpoint
from clew.core.types.model import ModelVersion
from clew.core.types.run import RunKind, RunStatus
from clew.loop.subject import Subject, find_subject, parts_of
from clew.loop.waiting import Start, payloads_from, undrained

__all__ = ["Decisions", "Impact", "TouchedAlias", "TouchedData", "TouchedModel", "TouchedRun", "impact"]


class TouchedData(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset version that was made of it."""

    id: str
    reference: str
    created_us: int


class TouchedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that used it."""

    id: str
    name: str
    kind: RunKind
    status: RunStatus
    created_us: int
    created_by: str


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """What one version decided at one endpoint: exact numbers, and the range of event times.

    `waiting` of the `rows` are in journals, not compacted yet. `labels` have come for so many, as far as monitors have
    looked.
    """

    endpoint: str
    rows: int
    waiting: int
    labels: int
    first_us: int
    last_us: int


class TouchedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model version that came of it; `rows` is how many decisions it made in all."""

    id: str
    reference: str
    run: str
    created_us: int
    rows: int
    decisions: list[Decisions]


class TouchedAlias(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which a name was on such a version; `until_us` is 0 while it is."""

    model: str
    alias: str
    moved_by: str
    since_us: int
    until_us: int


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that something touched. `first_us` and `last_us` are event times of decisions, 0 without any."""

    subject: Node
    reference: str
    data: list[TouchedData]
    runs: list[TouchedRun]
    models: list[TouchedModel]
    aliases: list[TouchedAlias]
    endpoints: list[str]
    decisions: int
    labels: int
    first_us: int
    last_us: int


class _Counted(msgspec.Struct):
    """Decisions of one version, added up."""

    rows: int = 0
    waiting: int = 0
    first_us: int = 0
    last_us: int = 0

    def add(self, rows: int, first_us: int, last_us: int) -> None:
        self.first_us = min(self.first_us, first_us) if self.rows else first_us
        self.last_us = max(self.last_us, last_us) if self.rows else last_us
        self.rows += rows


class _Request(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The beginning of a `DecisionRecord`: inputs and scores are not read."""

    first_id: str
    request: str
    time_us: int
    received_us: int
    latency_us: int
    version: str
    runtime: str
    rows: int


_TURNS = 5
_decoder = msgspec.msgpack.Decoder(_Request)
_Key = tuple[str, str]
"""Ids of an endpoint and a version."""


def impact(stores: Stores, reference: str) -> Impact:
    """Follow the thread forward.

    Args:
        stores: the project.
        reference: a dataset version (`flights@7`), a model version (`delay@3`) or a run; see
            `clew.loop.subject.find_subject`.

    Raises:
        Invalid: the name is of several kinds.
        NotFound: there is nothing of that name.
        Unavailable: journals did not hold still.
    """
    subject = find_subject(stores, reference)
    for _ in range(_TURNS):
        with suppress(FileNotFoundError):  # a journal was compacted while it was read: the logs have it now
            return _look(stores, subject)
    raise Unavailable("journals are compacted faster than they can be read", hint="ask again")


def _look(stores: Stores, subject: Subject) -> Impact:
    """One transaction sees edges, logs and how far journals are drained, so that each decision counts once."""
    with stores.ledger.read() as tx:
        edges = _flow(subject.node, tx.edges.down(subject.node))
        reached = list(dict.fromkeys(edge.target for edge in edges))
        versions = [tx.models.version(version) for version in _ids([subject.node, *reached], "model")]
        endpoints = _endpoints(tx, stores.project, versions, reached)
        counted = _logged(tx, endpoints, edges)
        starts = {endpoint.id: undrained(tx, stores, endpoint) for endpoint in endpoints}
        labels = {(e.id, v.id): _labels(tx, e, v) for e in endpoints for v in versions}
        aliases = [alias for version in versions for alias in _aliases(tx, version)]
        data = [_data(tx, version) for version in _ids(reached, "data")]
        runs = [_run(tx, run) for run in _ids(reached, "run")]
    for endpoint in endpoints:
        _add_waiting(counted, endpoint.id, starts[endpoint.id], {version.id for version in versions})
    models = [_model(version, endpoints, counted, labels) for version in versions]
    decisions = [each for model in models for each in model.decisions]
    return Impact(
        subject=subject.node,
        reference=subject.reference,
        data=data,
        runs=runs,
        models=models,
        aliases=aliases,
        endpoints=[endpoint.name for endpoint in endpoints],
        decisions=sum(each.rows for each in decisions),
        labels=sum(each.labels for each in decisions),
        first_us=min((each.first_us for each in decisions), default=0),
        last_us=max((each.last_us for each in decisions), default=0),
    )


def _flow(start: Node, edges: Collection[Edge]) -> list[Edge]:
    """The edges along which something flowed from a node, nearest first."""
    onward: dict[Node, list[Edge]] = {}
    for edge in edges:
        if edge.role is not Role.TRIGGERED and not edge.source.startswith("endpoint:"):
            onward.setdefault(edge.source, []).append(edge)
    found: list[Edge] = []
    level, seen = [start], {start}
    while level:
        steps = [edge for each in level for edge in onward.get(each, ())]
        level = [target for target in dict.fromkeys(edge.target for edge in steps) if target not in seen]
        seen.update(level)
        found += steps
    return found


def _ids(nodes: Iterable[Node], kind: str) -> list[str]:
    return [name for each, name in map(parts_of, nodes) if each == kind]


def _endpoints(
    tx: Transaction, project: str, versions: Collection[ModelVersion], reached: Collection[Node]
) -> list[Endpoint]:
    """Where one of these versions ran, or decided."""
    models = {version.model for version in versions}
    ours = [endpoint for endpoint in tx.endpoints.list(project) if endpoint.model in models]
    logs = {each.partition("/")[0] for each in _ids(reached, "batch")}
    return [each for each in ours if node("endpoint", each.id) in reached or each.predictions in logs]


def _logged(tx: Transaction, endpoints: Collection[Endpoint], edges: Collection[Edge]) -> dict[_Key, _Counted]:
    """Decisions in the logs. A batch holds those of one version, which its edge comes from."""
    versions = {edge.target: parts_of(edge.source)[1] for edge in edges if edge.role is Role.LOGGED}
    found: dict[_Key, _Counted] = {}
    for endpoint in endpoints:
        for batch in tx.logs.list(endpoint.predictions):
            version = versions.get(node("batch", f"{batch.dataset}/{batch.source}"))
            if version is not None:
                counted = found.setdefault((endpoint.id, version), _Counted())
                counted.add(batch.rows, batch.time_low_us, batch.time_high_us)
    return found


def _add_waiting(
    counted: dict[_Key, _Counted], endpoint: str, starts: Iterable[Start], versions: Collection[str]
) -> None:
    """Decisions that are in journals only."""
    for payload in payloads_from(starts):
        try:
            request = _decoder.decode(payload)
        except msgspec.ValidationError:  # labels, or a score in shadow
            continue
        if request.version in versions:
            found = counted.setdefault((endpoint, request.version), _Counted())
            found.add(request.rows, request.time_us, request.time_us)
            found.waiting += request.rows


def _labels(tx: Transaction, endpoint: Endpoint, version: ModelVersion) -> int:
    return sum(window.labels for window in tx.windows.list(endpoint.id, version=version.id))


def _model(
    version: ModelVersion, endpoints: Iterable[Endpoint], counted: dict[_Key, _Counted], labels: dict[_Key, int]
) -> TouchedModel:
    decisions = [
        Decisions(
            endpoint=endpoint.name,
            rows=found.rows,
            waiting=found.waiting,
            labels=labels[endpoint.id, version.id],
            first_us=found.first_us,
            last_us=found.last_us,
        )
        for endpoint in endpoints
        if (found := counted.get((endpoint.id, version.id))) is not None
    ]
    return TouchedModel(
        id=version.id,
        reference=version.reference,
        run=version.run,
        created_us=version.created_us,
        rows=sum(each.rows for each in decisions),
        decisions=decisions,
    )


def _aliases(tx: Transaction, version: ModelVersion) -> list[TouchedAlias]:
    """Every time in which a name was on the version, by name."""
    found = []
    for alias in sorted(move.alias for move in tx.models.aliases(version.model)):
        moves = tx.models.moves(version.model, alias)
        ends = [*(move.moved_us for move in moves[1:]), 0]
        found += [
            TouchedAlias(
                model=version.reference, alias=alias, moved_by=move.moved_by, since_us=move.moved_us, until_us=until_us
            )
            for move, until_us in zip(moves, ends, strict=True)
            if move.version == version.id
        ]
    return found


def _data(tx: Transaction, id: str) -> TouchedData:
    version = tx.datasets.version(id)
    return TouchedData(id=id, reference=version.reference, created_us=version.created_us)


def _run(tx: Transaction, id: str) -> TouchedRun:
    run = tx.runs.get(id)
    return TouchedRun(
        id=id,
        name=run.name,
        kind=run.kind,
        status=run.status,
        created_us=run.created_us,
        created_by=run.created_by,
    )
