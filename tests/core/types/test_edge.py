"""Nodes are named alike everywhere."""

from __future__ import annotations

from clew.core.types.edge import Edge, Role, node


def test_a_node_is_a_kind_and_an_id() -> None:
    assert node("model", "7") == "model:7"
    assert Edge(source=node("run", "a"), target=node("model", "7"), role=Role.OUTPUT).run == ""
