"""Lineage in SQL: an index in each direction, one query for each level of a walk."""

from __future__ import annotations

from collections.abc import Iterable

from clew.core.types.edge import Edge, Node, Role
from clew.store.ledger.sql.connection import Connection, rows_among
from clew.store.ledger.sql.search_index import SqlSearchIndex

__all__ = ["SqlEdges"]


class SqlEdges:
    """`clew.core.contracts.ledger.Edges`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def add(self, edges: Iterable[Edge]) -> int:
        edges = list(edges)
        added = self._c.change_many(
            "INSERT INTO edges (source, target, role, run, at_us) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            ((edge.source, edge.target, edge.role, edge.run, edge.at_us) for edge in edges),
        )
        SqlSearchIndex(self._c).use(edges)
        return added

    def beginning(self, digits: Node, *, limit: int) -> list[Node]:
        sql = "SELECT DISTINCT source FROM edges WHERE source >= ? AND source < ? ORDER BY source LIMIT ?"
        return [source for (source,) in self._c.rows(sql, (digits, f"{digits}g", limit))]  # g is behind every digit

    def up(self, start: Node, *, depth: int = 64) -> list[Edge]:
        return self._walk(start, depth, near="target", far="source")

    def down(self, start: Node, *, depth: int = 64) -> list[Edge]:
        return self._walk(start, depth, near="source", far="target")

    def _walk(self, start: Node, depth: int, *, near: str, far: str) -> list[Edge]:
        """Breadth first, one query a level, each node once: a graph with many paths costs its edges, not its paths."""
        sql = (
            "SELECT source, target, role, run, at_us FROM edges "
            f"WHERE {near} IN ({{0}}) ORDER BY at_us, source, target, role, run"
        )
        seen, level = {start}, [start]
        found: list[Edge] = []
        for _ in range(depth):
            reached = [
                Edge(source=source, target=target, role=Role(role), run=run, at_us=at_us)
                for source, target, role, run, at_us in rows_among(self._c, sql, level)
            ]
            found += reached
            level = list(dict.fromkeys(end for edge in reached if (end := getattr(edge, far)) not in seen))
            seen.update(level)
            if not level:
                break
        return found
