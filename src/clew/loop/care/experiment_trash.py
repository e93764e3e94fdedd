"""The trash of experiments: one goes with its runs, and comes back with those that went with it. Runs: `trash`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, NotFound
from clew.core.paging import items_of
from clew.core.types.edge import node
from clew.core.types.run import DEFAULT_EXPERIMENT, Experiment, Run
from clew.loop.care.trash import AT_ONCE, check_free
from clew.tracking.revise import move_to_trash, restore
from clew.tracking.search import known_experiment

__all__ = ["bring_back", "delete_experiment", "put_away", "restore_experiment", "runs_in"]


def delete_experiment(stores: Stores, name: str) -> list[Run]:
    """Move an experiment and its runs into the trash, all of them or none; the runs that went.

    Raises:
        NotFound: there is no such experiment outside of the trash.
        Conflict: it is the default one, or a run goes on, or something needs one.
    """
    with stores.ledger.write() as tx:
        experiment = known_experiment(tx, stores.project, name)
        if experiment.deleted_us:
            raise NotFound("experiment", name, hint=f"it is in the trash: clew experiments restore {name}")
        if experiment.name == DEFAULT_EXPERIMENT:
            raise Conflict("runs that name no experiment go into the default one: it stays", hint="delete its runs")
        runs = runs_in(tx, experiment, deleted=False)
        for run in runs:
            check_free(tx, stores.project, run)
        put_away(stores, tx, experiment, runs)
    return runs


def restore_experiment(stores: Stores, name: str) -> list[Run]:
    """Bring an experiment back, with the runs that went with it and were not purged since; those runs.

    Raises:
        NotFound: the trash has none of this name.
    """
    with stores.ledger.write() as tx:
        experiment = known_experiment(tx, stores.project, name)
        if not experiment.deleted_us:
            raise NotFound("experiment in the trash", name, hint="clew experiments list --trash")
        runs = [
            run
            for run in runs_in(tx, experiment, deleted=True)
            if run.deleted_us >= experiment.deleted_us and not run.purged_us
        ]
        bring_back(stores, tx, experiment, runs)
    return runs


def put_away(stores: Stores, tx: Transaction, experiment: Experiment, runs: Sequence[Run]) -> None:
    """Move an experiment and some of its runs into the trash at one time, whatever needs them."""
    now_us = stores.clock.now_us()
    tx.experiments.put(msgspec.structs.replace(experiment, deleted_us=now_us, updated_us=now_us))
    stores.tell(tx, "experiment.deleted", node("experiment", experiment.id), {"name": experiment.name})
    for run in runs:
        move_to_trash(stores, tx, run, now_us=now_us)


def bring_back(stores: Stores, tx: Transaction, experiment: Experiment, runs: Sequence[Run]) -> None:
    """Bring an experiment and some of its runs, which were not purged, back from the trash."""
    tx.experiments.put(msgspec.structs.replace(experiment, deleted_us=0, updated_us=stores.clock.now_us()))
    stores.tell(tx, "experiment.restored", node("experiment", experiment.id), {"name": experiment.name})
    for run in runs:
        restore(stores, tx, run)


def runs_in(tx: Transaction, experiment: Experiment, *, deleted: bool | None) -> list[Run]:
    """All runs of an experiment, newest first; those in the trash if `deleted`, both if None."""
    found = partial(tx.runs.list, experiment.project, experiment=experiment.id, deleted=deleted, limit=AT_ONCE)
    return list(items_of(found))
