"""Changes of runs that may have ended: what other tools allow, and what must stay honest.

A run that ended is claimed by its last event, row by row (docs/design/events.md). Whoever changes it afterwards makes
the claim anew, in the same transaction. The services of a run that trains (`runs`) refuse most of such changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from clew.core.contracts.ledger import Durability, Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Conflict
from clew.core.types.edge import node
from clew.core.types.run import Artifact, Run, RunStatus
from clew.core.types.series import SeriesBlock
from clew.store.account import account_of_run, artifacts_digest, row_digest, series_digests
from clew.tracking.merge import merged_series, put_merged

__all__ = [
    "add_blocks",
    "durability_of",
    "move_to_trash",
    "purge",
    "put_artifacts",
    "remove_artifacts",
    "restore",
    "revise",
]


def durability_of(run: Run) -> Durability:
    """What a change of a run survives: that of one that goes on becomes durable when the run ends."""
    return Durability.KILL if run.status is RunStatus.RUNNING else Durability.POWER


def revise(
    stores: Stores, tx: Transaction, before: Run, after: Run, *, told: Mapping[str, object] | None = None
) -> Run:
    """Replace a run by what it has become, and tell what changed.

    A status that ends it claims everything that it holds; one that lets it go on lifts what was claimed.

    Args:
        stores: the project.
        tx: where it is written.
        before: the run as it is.
        after: the run as it will be.
        told: what the event says, where all values that changed would be too much; a run that has ended is claimed
            as it is in any case.
    """
    if after == before:
        return after
    running = RunStatus.RUNNING
    if before.status is running and after.status is not running:
        put_merged(tx, after.id, merged_series(tx, after.id))
    tx.runs.put(after)
    facts = _changes(before, after) if told is None else told
    if before.status is not running and after.status is running:
        stores.tell(tx, "run.resumed", node("run", after.id), {})
    if facts:
        stores.tell(tx, "run.described", node("run", after.id), {**facts, **_claim(after)})
    if after.status is not running and (after.status, after.ended_us) != (before.status, before.ended_us):
        ended = {"status": after.status, "reason": after.reason[-500:], **account_of_run(tx, after)}
        stores.tell(tx, "run.ended", node("run", after.id), ended)
    return after


def move_to_trash(stores: Stores, tx: Transaction, run: Run, *, now_us: int) -> None:
    """Lists leave the run out from now on; nothing of it is lost. Runs that go together went at one time."""
    if not run.deleted_us:
        after = msgspec.structs.replace(run, deleted_us=now_us)
        tx.runs.put(after)
        stores.tell(tx, "run.deleted", node("run", run.id), _claim(after))


def restore(stores: Stores, tx: Transaction, run: Run) -> None:
    """Bring a run back from the trash.

    Raises:
        Conflict: its time there was over, and its files are gone.
    """
    if run.purged_us:
        raise Conflict(
            f"run {run.name} was purged: its files and metrics are gone",
            hint=f"its record stays: clew events --subject run:{run.id}",
        )
    if run.deleted_us:
        after = msgspec.structs.replace(run, deleted_us=0)
        tx.runs.put(after)
        stores.tell(tx, "run.restored", node("run", run.id), _claim(after))


def purge(stores: Stores, tx: Transaction, run: Run) -> None:
    """Forget the files, metrics and steps of a run in the trash; its row stays as a record."""
    after = msgspec.structs.replace(run, purged_us=stores.clock.now_us())
    tx.artifacts.remove(run.id, [artifact.path for artifact in tx.artifacts.list(run.id)])
    tx.series.remove(run.id)
    tx.steps.forget(run.id)
    tx.runs.put(after)
    stores.tell(tx, "run.purged", node("run", run.id), account_of_run(tx, after))


def add_blocks(stores: Stores, tx: Transaction, run: Run, blocks: Sequence[SeriesBlock]) -> None:
    """Add points to a run in any state; a block whose source is there is skipped."""
    if tx.series.append(blocks) and run.status is not RunStatus.RUNNING:
        keys = {block.key for block in blocks}
        now = {key: digest for key, digest in series_digests(tx, run.id).items() if key in keys}
        stores.tell(tx, "run.points_added", node("run", run.id), {"series": now})


def put_artifacts(stores: Stores, tx: Transaction, run: Run, artifacts: Sequence[Artifact]) -> None:
    """Name objects as files of a run in any state; the same path replaces."""
    for artifact in artifacts:
        tx.artifacts.put(artifact)
    last = len(artifacts) - 1
    for place, artifact in enumerate(artifacts):
        facts: dict[str, object] = {"path": artifact.path, "digest": artifact.digest, "size_bytes": artifact.size_bytes}
        facts |= _files_claim(tx, run) if place == last else {}
        stores.tell(tx, "run.artifact_added", node("run", run.id), facts)


def remove_artifacts(stores: Stores, tx: Transaction, run: Run, paths: Sequence[str]) -> None:
    """Forget files of a run; their bytes stay until they are collected."""
    tx.artifacts.remove(run.id, paths)
    stores.tell(tx, "run.artifact_removed", node("run", run.id), {"paths": list(paths), **_files_claim(tx, run)})


def _claim(run: Run) -> dict[str, object]:
    """What a change of a run that has ended claims anew."""
    return {} if run.status is RunStatus.RUNNING else {"row": row_digest(run)}


def _files_claim(tx: Transaction, run: Run) -> dict[str, object]:
    return {} if run.status is RunStatus.RUNNING else {**_claim(run), "artifacts": artifacts_digest(tx, run.id)}


def _changes(before: Run, after: Run) -> dict[str, object]:
    changed: dict[str, object] = {}
    for field in ("params", "tags", "capture"):
        old: Mapping[str, object] = getattr(before, field)
        new: Mapping[str, object] = getattr(after, field)
        if old != new:
            changed[field] = {key: value for key, value in new.items() if key not in old or old[key] != value}
    gone = sorted(before.tags.keys() - after.tags.keys())
    if gone:
        changed["tags_removed"] = gone
    for field in ("commit", "name", "experiment"):
        if getattr(before, field) != getattr(after, field):
            changed[field] = getattr(after, field)
    return changed
