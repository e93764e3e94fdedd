"""What data flowed into a model version: versions of datasets, and what other tools named to a run."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.errors import NotFound
from clew.core.ids import Digest
from clew.core.types.dataset import DatasetKind
from clew.core.types.edge import Edge, Node, Role

__all__ = ["DataOrigin", "ExternalOrigin", "data_behind"]

_FLOWS = frozenset({Role.INPUT, Role.OUTPUT, Role.EVALUATION})


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


class ExternalOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """Data that a run said it used, by name and digest as its own tool counts them; clew has no bytes to check."""

    name: str
    digest: str
    into: list[str]


def data_behind(
    tx: Transaction, starts: Sequence[Node], edges: Sequence[Edge]
) -> tuple[list[DataOrigin], list[ExternalOrigin]]:
    """Data from which something flowed into one of the nodes, nearest first: dataset versions, and that of other tools.

    Args:
        tx: to name them.
        starts: the model version and its run.
        edges: their lineage, backwards; what only triggered a run did not flow into it.
    """
    names, sources = _Names(tx), _sources(edges)
    data: list[DataOrigin] = []
    external: list[ExternalOrigin] = []
    for source, targets in _flowed(starts, edges).items():
        kind, _, name = source.partition(":")
        if kind == "data":
            out_of = [names.of(each) for each in sources.get(source, ())]
            data.append(_data(tx, name, into=[names.of(each) for each in targets], out_of=out_of))
        elif kind == "external":
            name, _, digest = name.rpartition("@")
            external.append(ExternalOrigin(name=name, digest=digest, into=[names.of(each) for each in targets]))
    return data, external


def _flowed(starts: Sequence[Node], edges: Sequence[Edge]) -> dict[Node, list[Node]]:
    """Each node from which something flowed, nearest first, with what it flowed into."""
    found: dict[Node, list[Node]] = {}
    level, seen = list(starts), set(starts)
    while level:
        reached: list[Node] = []
        for edge in edges:
            if edge.target in level and edge.role in _FLOWS:
                into = found.setdefault(edge.source, [])
                into += [edge.target] if edge.target not in into else []
                if edge.source not in seen:
                    seen.add(edge.source)
                    reached.append(edge.source)
        level = reached
    return found


def _sources(edges: Sequence[Edge]) -> dict[Node, list[Node]]:
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
            if kind == "logged":
                return f"logged model {self._tx.logged_models.get(name).name}"
            if kind == "endpoint":
                return f"endpoint {self._tx.endpoints.get(name).name}"
        except NotFound:
            return node
        return node
