"""Lineage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from clew.core.types.edge import Edge, Node

__all__ = ["Edges"]


class Edges(Protocol):
    """Lineage."""

    def add(self, edges: Iterable[Edge]) -> int:
        """Add edges, and say how many are new; (source, target, role, run) that is there stays."""
        ...

    def beginning(self, digits: Node, *, limit: int) -> list[Node]:
        """Nodes that something came of and that begin so, in their order; `digits` ends in hexadecimal ones."""
        ...

    def up(self, start: Node, *, depth: int = 64) -> list[Edge]:
        """Every edge on the way back from a node: what it came from. Nearest first."""
        ...

    def down(self, start: Node, *, depth: int = 64) -> list[Edge]:
        """Every edge on the way forward from a node: what came of it. Nearest first."""
        ...
