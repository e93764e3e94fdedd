"""Lineage: edges between nodes, in both directions a look-up."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["Edge", "Node", "Role", "node"]

Node = str
"""`kind:id`: `data:<version id>`, `run:<id>`, `model:<version id>`, `code:<digest>`, `environment:<digest>`,
`endpoint:<id>`, `batch:<dataset id>/<position>`, `window:<endpoint id>/<start>`."""


class Role(StrEnum):
    """What the edge says: `source` ROLE `target`, in the direction in which things flow."""

    INPUT = "input"
    OUTPUT = "output"
    CODE = "code"
    ENVIRONMENT = "environment"
    EVALUATION = "evaluation"
    SERVED = "served"
    LOGGED = "logged"
    TRIGGERED = "triggered"


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """`source` flows into `target`; `run` is the execution in which it did, or empty."""

    source: Node
    target: Node
    role: Role
    run: str = ""
    at_us: int = 0


def node(kind: str, id: str) -> Node:
    """The name of a node of the lineage graph."""
    return f"{kind}:{id}"
