"""Lineage in place over a ledger: what flowed into what, of this project only."""

from __future__ import annotations

from collections.abc import Sequence

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import NotFound
from clew.core.types.edge import Edge, Node
from clew.store.owner import check_mine, owner_of

__all__ = ["LedgerLineage"]


class LedgerLineage:
    """`clew.core.contracts.services.LineageService` over a project's stores."""

    def __init__(self, stores: Stores) -> None:
        self._ledger, self._project = stores.ledger, stores.project

    def up(self, start: Node, *, depth: int = 64) -> list[Edge]:
        """Every edge on the way back from a node, nearest first."""
        with self._ledger.read() as tx:
            check_mine(tx, self._project, [start])
            return self._within(tx, tx.edges.up(start, depth=depth))

    def down(self, start: Node, *, depth: int = 64) -> list[Edge]:
        """Every edge on the way forward from a node, nearest first."""
        with self._ledger.read() as tx:
            check_mine(tx, self._project, [start])
            return self._within(tx, tx.edges.down(start, depth=depth))

    def references(self, nodes: Sequence[Node]) -> dict[Node, str]:
        """`name@number` of the versions among some nodes; what has no reference is left out."""
        found = {}
        with self._ledger.read() as tx:
            for node in nodes:
                reference = _reference(tx, node)
                if reference and owner_of(tx, node) == self._project:
                    found[node] = reference
        return found

    def _within(self, tx: Transaction, edges: list[Edge]) -> list[Edge]:
        """Those of this project. Code and environments are named by digest, and several projects may share them."""
        nodes = {end for edge in edges for end in (edge.source, edge.target)}
        runs = tx.runs.among(self._project, [node[4:] for node in nodes if node.startswith("run:")])
        mine = {f"run:{run}" for run in runs}
        mine |= {node for node in nodes - mine if owner_of(tx, node) in ("", self._project)}
        return [edge for edge in edges if edge.source in mine and edge.target in mine]


def _reference(tx: Transaction, node: Node) -> str:
    kind, _, name = node.partition(":")
    try:
        if kind == "data":
            return tx.datasets.version(name).reference
        return tx.models.version(name).reference if kind == "model" else ""
    except NotFound:
        return ""
