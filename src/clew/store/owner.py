"""Whose something is: nodes of the lineage graph carry no project, and a server has many."""

from __future__ import annotations

from collections.abc import Iterable

from clew.core.contracts.ledger import Transaction
from clew.core.errors import NotFound
from clew.core.types.edge import Node

__all__ = ["check_mine", "owner_of"]


def owner_of(tx: Transaction, node: Node) -> str:
    """The project of a run, a version of data or of a model, a logged model or an endpoint; "" for what the ledger does
    not know as one."""
    kind, _, name = node.partition(":")
    try:
        if kind == "run":
            return tx.runs.get(name).project
        if kind == "data":
            return tx.datasets.get(tx.datasets.version(name).dataset).project
        if kind == "model":
            return tx.models.get(tx.models.version(name).model).project
        if kind == "logged":
            return tx.logged_models.get(name).project
        return tx.endpoints.get(name).project if kind == "endpoint" else ""
    except NotFound:
        return ""


def check_mine(tx: Transaction, project: str, nodes: Iterable[Node]) -> None:
    """Refuse nodes of other projects: an edge to one would lead from project to project.

    Raises:
        NotFound: one of them is another project's, which from here is not there.
    """
    for node in nodes:
        if owner_of(tx, node) not in ("", project):
            kind, _, name = node.partition(":")
            raise NotFound(kind, name)
