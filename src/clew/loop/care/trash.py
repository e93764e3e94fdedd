"""The trash: what lies there is hidden and can come back; what has lain there for long enough is purged.

Nothing goes that something else needs: a run that made a version of a model or of data which is still there stays, and
so does one with logged models. The cache of steps does not need the runs that filled it.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict, NotFound
from clew.core.ids import is_id
from clew.core.paging import items_of
from clew.core.types.edge import Node, Role, node
from clew.core.types.logged_model import LoggedModel
from clew.core.types.run import Run, RunStatus
from clew.tracking.revise import move_to_trash, purge, restore

__all__ = [
    "AT_ONCE",
    "check_free",
    "delete_runs",
    "in_trash",
    "needed_by",
    "purge_logged",
    "purge_runs",
    "restore_runs",
]

AT_ONCE = 1000
"""How many runs are read together."""


def delete_runs(stores: Stores, runs: Sequence[Run]) -> None:
    """Move runs into the trash, all of them or none.

    Raises:
        Conflict: one goes on, or something needs it.
    """
    with stores.ledger.write() as tx:
        for run in runs:
            now = tx.runs.get(run.id)
            check_free(tx, stores.project, now)
            move_to_trash(stores, tx, now, now_us=stores.clock.now_us())


def check_free(tx: Transaction, project: str, run: Run) -> None:
    """Refuse to delete a run that is in use.

    Raises:
        Conflict: it goes on, or something needs it.
    """
    if run.status is RunStatus.RUNNING:
        raise Conflict(f"run {run.name} goes on", hint=f"stop it first: clew runs stop {run.name}")
    needing = needed_by(tx, project, run)
    if needing:
        raise Conflict(
            f"run {run.name} is needed by {', '.join(needing[:5])}",
            hint="it stays with them: no command of clew deletes versions of models",
        )


def restore_runs(stores: Stores, names: Sequence[str]) -> list[Run]:
    """Bring runs back, by their ids or names.

    Raises:
        NotFound: the trash has none of this name.
        Conflict: it was purged.
    """
    found = []
    with stores.ledger.write() as tx:
        trash = _all(tx, stores.project)
        for name in names:
            same = [run for run in trash if name in (run.id, run.name) or (len(name) >= 8 and run.id.startswith(name))]
            if not same:
                near = get_close_matches(name, {run.name for run in trash}, n=3)
                raise NotFound("run in the trash", name, near=near, hint="clew runs trash")
            if len(same) > 1 and not is_id(name):
                ids = ", ".join(run.id for run in same[:5])
                raise Conflict(
                    f"{len(same)} runs in the trash are called {name!r}: {ids}", hint="give one of these ids"
                )
            restore(stores, tx, same[0])
            found.append(tx.runs.get(same[0].id))
    return found


def in_trash(stores: Stores) -> list[Run]:
    """The runs in the trash that can come back, newest first."""
    with stores.ledger.read() as tx:
        return [run for run in _all(tx, stores.project) if not run.purged_us]


def purge_runs(stores: Stores, *, until_us: int, dry_run: bool = False) -> list[Run]:
    """Purge runs that went into the trash before a time, each in a transaction of its own; those that are needed stay.

    Args:
        stores: the project.
        until_us: only what was deleted before.
        dry_run: only look.

    Returns:
        What was purged.
    """
    done = []
    for run in in_trash(stores):
        if run.deleted_us < until_us:
            with stores.ledger.write() as tx:
                now = tx.runs.get(run.id)
                if now.deleted_us and not now.purged_us and not needed_by(tx, stores.project, now):
                    done.append(now)
                    if not dry_run:
                        purge(stores, tx, now)
    return done


def purge_logged(stores: Stores, *, until_us: int, dry_run: bool = False) -> list[LoggedModel]:
    """Purge logged models that went into the trash before a time; those of which versions are loaded stay.

    Args:
        stores: the project.
        until_us: only what was deleted before.
        dry_run: only look.

    Returns:
        What was purged: their rows stay as records, without files and metrics.
    """
    with stores.ledger.read() as tx:
        trash = [each for each in tx.logged_models.list(stores.project) if each.deleted_us and not each.purged_us]
    done = []
    for each in trash:
        if each.deleted_us < until_us:
            with stores.ledger.write() as tx:
                now = tx.logged_models.get(each.id)
                if now.deleted_us and not now.purged_us and not _made_of(tx, node("logged", now.id)):
                    done.append(now)
                    if not dry_run:
                        _purge_logged(stores, tx, now)
    return done


def _purge_logged(stores: Stores, tx: Transaction, model: LoggedModel) -> None:
    tx.artifacts.remove(model.id, [artifact.path for artifact in tx.artifacts.list(model.id)])
    tx.logged_models.forget_metrics(model.id)
    tx.logged_models.put(msgspec.structs.replace(model, purged_us=stores.clock.now_us()))
    stores.tell(tx, "model.purged", node("logged", model.id), {"name": model.name})


def needed_by(tx: Transaction, project: str, run: Run) -> list[str]:
    """What is still there and would lose something with this run, in words."""
    found = _made_of(tx, node("run", run.id))
    found += [f"logged model {each.name}" for each in tx.logged_models.list(project, run=run.id) if not each.deleted_us]
    return found


def _made_of(tx: Transaction, source: Node) -> list[str]:
    """The versions that are still there and were made of something, in words."""
    edges = tx.edges.down(source, depth=1)
    return [name for edge in edges if edge.role is Role.OUTPUT for name in _version(tx, edge.target)]


def _version(tx: Transaction, target: str) -> list[str]:
    kind, _, key = target.partition(":")
    try:
        if kind == "model":
            version = tx.models.version(key)
            gone = version.deleted_us or tx.models.get(version.model).deleted_us
            return [] if gone else [f"model:{version.reference}"]
        return [f"data:{tx.datasets.version(key).reference}"] if kind == "data" else []
    except NotFound:
        return []


def _all(tx: Transaction, project: str) -> list[Run]:
    return list(items_of(partial(tx.runs.list, project, deleted=True, limit=AT_ONCE)))
