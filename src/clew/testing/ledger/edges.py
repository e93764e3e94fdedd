"""What a ledger must do for lineage."""

from __future__ import annotations

from clew.core.contracts.ledger import Ledger
from clew.core.types.edge import Edge, Role

__all__ = ["EdgesContract"]


class EdgesContract:
    """What holds for `clew.core.contracts.ledger.Edges`."""

    def test_lineage_goes_both_ways_and_ends_in_circles(self, ledger: Ledger) -> None:
        edges = [
            Edge(source="data:1", target="run:1", role=Role.INPUT, run="1"),
            Edge(source="data:2", target="run:1", role=Role.INPUT, run="1"),
            Edge(source="run:1", target="model:1", role=Role.OUTPUT, run="1"),
            Edge(source="model:1", target="endpoint:1", role=Role.SERVED),
            Edge(source="endpoint:1", target="data:2", role=Role.LOGGED),
        ]
        with ledger.write() as tx:
            assert tx.edges.add(edges[:1]) == 1
            assert tx.edges.add(edges) == len(edges) - 1
            assert tx.edges.add(edges) == tx.edges.add([]) == 0
            up = tx.edges.up("model:1")
            assert [edge.source for edge in up] == ["run:1", "data:1", "data:2", "endpoint:1", "model:1"]
            assert {edge.target for edge in tx.edges.down("data:1")} == {"run:1", "model:1", "endpoint:1", "data:2"}
            assert [edge.source for edge in tx.edges.up("model:1", depth=1)] == ["run:1"]
            assert tx.edges.up("data:1") == []

    def test_nodes_that_something_came_of_are_found_by_their_first_digits(self, ledger: Ledger) -> None:
        first, second, third = (f"code:{digits}" for digits in ("ab12", "ab9f", "abff"))
        edges = [Edge(source=source, target="run:1", role=Role.CODE) for source in (third, first, second)]
        edges += [
            Edge(source=first, target="run:2", role=Role.CODE),
            Edge(source="environment:ab", target="run:1", role=Role.ENVIRONMENT),
        ]
        with ledger.write() as tx:
            tx.edges.add(edges)
            assert tx.edges.beginning("code:ab", limit=9) == [first, second, third]
            assert tx.edges.beginning("code:ab", limit=2) == [first, second]
            assert tx.edges.beginning("code:abf", limit=9) == tx.edges.beginning(third, limit=9) == [third]
            assert tx.edges.beginning("code:ac", limit=9) == tx.edges.beginning("run:1", limit=9) == []
