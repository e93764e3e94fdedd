"""The trash of experiments: one goes with its runs, and comes back with those that went with it. Runs: `trash`."""

from __future__ import annotations

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, NotFound
from clew.core.types.edge import node
from clew.core.types.run import DEFAULT_EXPERIMENT, Experiment, Run, RunStatus
from clew.loop.care.trash import STAYS, needed_by
from clew.tracking.revise import move_to_trash, restore
from clew.tracking.search import known_experiment

__all__ = ["delete_experiment", "restore_experiment"]

_AT_ONCE = 1000


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
        runs = _runs(tx, stores.project, experiment, deleted=False)
        for run in runs:
            _check(tx, stores.project, run)
        now_us = stores.clock.now_us()
        tx.experiments.put(msgspec.structs.replace(experiment, deleted_us=now_us, updated_us=now_us))
        stores.tell(tx, "experiment.deleted", node("experiment", experiment.id), {"name": name})
        for run in runs:
            move_to_trash(stores, tx, run, now_us=now_us)
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
            for run in _runs(tx, stores.project, experiment, deleted=True)
            if run.deleted_us >= experiment.deleted_us and not run.purged_us
        ]
        now_us = stores.clock.now_us()
        tx.experiments.put(msgspec.structs.replace(experiment, deleted_us=0, updated_us=now_us))
        stores.tell(tx, "experiment.restored", node("experiment", experiment.id), {"name": name})
        for run in runs:
            restore(stores, tx, run)
    return runs


def _check(tx: Transaction, project: str, run: Run) -> None:
    if run.status is RunStatus.RUNNING:
        raise Conflict(f"run {run.name} goes on", hint=f"stop it first: clew runs stop {run.name}")
    needing = needed_by(tx, project, run)
    if needing:
        raise Conflict(f"run {run.name} is needed by {', '.join(needing[:5])}", hint=STAYS)


def _runs(tx: Transaction, project: str, experiment: Experiment, *, deleted: bool) -> list[Run]:
    found: list[Run] = []
    after = ""
    while True:
        page = tx.runs.list(project, experiment=experiment.id, deleted=deleted, limit=_AT_ONCE, after=after)
        found += page.items
        after = page.next
        if not after:
            return found
