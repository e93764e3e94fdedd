"""What a verb is given: the project's stores, who asks, and where the request came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import NotFound
from clew.core.types.edge import node
from clew.core.types.project import Project
from clew.core.types.run import DEFAULT_EXPERIMENT, Experiment, Run
from clew.server.host import Host
from clew.server.mlflow.crumbs import Crumbs
from clew.server.mlflow.limits import experiment_number
from clew.server.mlflow.refusal import invalid, missing

__all__ = [
    "DEFAULT_NAME",
    "Call",
    "Empty",
    "active",
    "experiment_name",
    "experiment_of",
    "ours",
    "run_of",
    "within",
]

T = TypeVar("T", Experiment, Run)
DEFAULT_NAME = "Default"
"""What MLflow calls the experiment of number 0."""


class Empty(msgspec.Struct, frozen=True):
    """A request that says nothing in its body."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, let in.

    Args:
        host: the server.
        project: what it is about.
        stores: of the project, for who asks.
        url: of this server as the caller reached it, with the path before `/api`.
        authorization: the header that it came with.
        path: what stands in the path: an id, a tag's key, a file.
        query: what stands behind the question mark.
        crumbs: of runs that log one point at a time.
    """

    host: Host
    project: Project
    stores: Stores
    url: str
    authorization: str
    path: Mapping[str, str]
    query: str
    crumbs: Crumbs


def experiment_name(experiment: Experiment) -> str:
    """The name as MLflow's clients know it."""
    return DEFAULT_NAME if experiment.number == 0 and experiment.name == DEFAULT_EXPERIMENT else experiment.name


def ours(name: str) -> str:
    """The name of an experiment as clew keeps it."""
    return DEFAULT_EXPERIMENT if name == DEFAULT_NAME else name


def experiment_of(tx: Transaction, call: Call, id: str, *, state: str = "") -> Experiment:
    """The experiment of a number.

    Args:
        tx: the transaction.
        call: the request.
        id: the number, as text.
        state: `active` or `deleted`, where only such a one will do.

    Raises:
        Refusal: there is none.
    """
    number = experiment_number(id)
    found = tx.experiments.find_number(call.stores.project, number)
    if found is None or (state and bool(found.deleted_us) != (state == "deleted")):
        raise missing(f"No Experiment with id={number} exists")
    return found


def run_of(tx: Transaction, call: Call, id: str) -> Run:
    """A run of the project.

    Raises:
        Refusal: there is none.
    """
    try:
        run = tx.runs.get(id)
    except NotFound:
        run = None
    if run is None or run.project != call.stores.project:
        raise missing(f"Run with id={id} not found")
    return run


def active(found: T) -> T:
    """What was found, if it does not lie in the trash."""
    if found.deleted_us:
        what = f"run {found.id}" if isinstance(found, Run) else f"experiment {found.number}"
        raise invalid(f"The {what} must be in the 'active' state. Current state is deleted.")
    return found


def within(run: str) -> str:
    """The node of a run, for a transaction that touches nothing else."""
    return node("run", run)
