"""Lineage in memory."""

from __future__ import annotations

from collections.abc import Iterable

from clew.core.types.edge import Edge, Node
from clew.store.ledger.memory.tables import Tables, add_row

__all__ = ["MemoryEdges"]


class MemoryEdges:
    """`clew.core.contracts.ledger.Edges`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.edges

    def add(self, edges: Iterable[Edge]) -> int:
        return sum(add_row(self._rows, (edge.source, edge.target, edge.role, edge.run), edge) for edge in edges)

    def beginning(self, digits: Node, *, limit: int) -> list[Node]:
        return sorted({edge.source for edge in self._rows.values() if edge.source.startswith(digits)})[:limit]

    def up(self, start: Node, *, depth: int = 64) -> list[Edge]:
        return self._walk(start, depth, near="target", far="source")

    def down(self, start: Node, *, depth: int = 64) -> list[Edge]:
        return self._walk(start, depth, near="source", far="target")

    def _walk(self, start: Node, depth: int, *, near: str, far: str) -> list[Edge]:
        seen, level = {start}, {start}
        found: list[Edge] = []
        order = sorted(
            self._rows.values(), key=lambda edge: (edge.at_us, edge.source, edge.target, edge.role, edge.run)
        )
        for _ in range(depth):
            reached = [edge for edge in order if getattr(edge, near) in level]
            found += reached
            level = {getattr(edge, far) for edge in reached} - seen
            seen |= level
        return found
