"""Takes in what another tracker recorded: each run with all that it has in one transaction, bytes before rows.

Repeating it adds what is new and changes nothing else, so that a killed import goes on where it was. Ids and times stay
what they were; a run that has ended here is not changed, but for points and files that it did not have, and for numbers
among its parameters that an earlier version left as texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import ClewError, Conflict, NotFound
from clew.core.types.edge import node
from clew.core.types.run import Artifact, Experiment, Run, RunStatus
from clew.core.types.run_input import RunInput
from clew.core.types.series import SeriesBlock
from clew.loop.imports.files import keep_files
from clew.loop.imports.foreign import ForeignRun, Source
from clew.loop.imports.models import Promote, take_in_logged, take_in_models
from clew.store.account import account_of_run
from clew.tracking.params import text_of
from clew.tracking.run_inputs import link_inputs, unknown_inputs
from clew.tracking.series import BLOCK_POINTS, Points, block_of, points_of

__all__ = ["Count", "Outcome", "take_in"]

WHAT = (
    *("experiments", "runs", "params", "tags", "series", "points", "inputs", "logged models", "files"),
    *("models", "versions", "aliases"),
)
"""What is counted, in the order in which it is shown."""

_AT_ONCE_RUNS, _AT_ONCE_POINTS = 50, 400_000


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many of something there are in the source, as it counts itself where it can, and here."""

    what: str
    source: int
    here: int

    @property
    def differs(self) -> bool:
        """Whether something is missing."""
        return self.source != self.here


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an import came to."""

    counts: list[Count]
    held_back: list[ClewError]


class _Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A run whose bytes are stored."""

    run: Run
    experiment: str
    blocks: dict[str, list[SeriesBlock]]
    inputs: tuple[RunInput, ...]
    artifacts: list[Artifact]


def take_in(stores: Stores, source: Source, *, promote: Promote, tell: Callable[[int], None]) -> Outcome:
    """Take in everything.

    Args:
        stores: of the project.
        source: what to read.
        promote: gives an alias to a version, through the gate.
        tell: hears how many runs are in.

    Returns:
        What there is in the source and here, to be compared, and what the gate refused.

    Raises:
        Conflict: something else has the id of a run, or the name of a model.
    """
    read: Counter[str] = Counter()
    names = _experiments(stores, source.experiments())
    read["experiments"] = len(names)
    here: Counter[str] = Counter()
    group: list[_Prepared] = []
    for foreign in source.runs():
        group.append(_prepare(stores, source.name, foreign, read))
        if len(group) >= _AT_ONCE_RUNS or sum(_points(each) for each in group) >= _AT_ONCE_POINTS:
            _write(stores, source.name, group, here)
            group = []
            tell(read["runs"])
    _write(stores, source.name, group, here)
    tell(read["runs"])
    take_in_logged(stores, source.logged_models(), read, here)
    held_back = take_in_models(stores, source.models(), promote, read, here)
    with stores.ledger.read() as tx:
        here["experiments"] = sum(each.name in names for each in tx.experiments.list(stores.project))
    counted = source.counts()
    return Outcome(
        counts=[
            Count(what=what, source=counted.get(what, read[what]), here=here[what])
            for what in WHAT
            if counted.get(what, read[what]) or here[what]
        ],
        held_back=held_back,
    )


def _experiments(stores: Stores, found: Sequence[Experiment]) -> set[str]:
    """Make the experiments that are not there; one of the same name is the same."""
    with stores.ledger.write() as tx:
        for each in found:
            if tx.experiments.find(stores.project, each.name) is None:
                fresh = msgspec.structs.replace(each, id=stores.ids(), project=stores.project)
                added = tx.experiments.add(fresh)
                facts = {"name": added.name, "number": added.number}
                stores.tell(tx, "experiment.added", node("experiment", added.id), facts)
    return {each.name for each in found}


def _prepare(stores: Stores, name: str, foreign: ForeignRun, read: Counter[str]) -> _Prepared:
    """Encode the points and store the files of a run."""
    run = msgspec.structs.replace(foreign.run, project=stores.project)
    with stores.ledger.read() as tx:
        there = {artifact.path: artifact for artifact in tx.artifacts.list(run.id)}
    files = keep_files(stores, run.id, list(foreign.files()), there, at_us=run.ended_us or run.created_us)
    read["runs"] += 1
    read["params"] += len(run.params)
    read["tags"] += len(run.tags)
    read["series"] += len(foreign.series)
    read["points"] += sum(len(points.values) for points in foreign.series.values())
    read["inputs"] += len(foreign.inputs)
    read["files"] += len(files)
    blocks = {key: list(_blocks(run.id, key, name, points)) for key, points in foreign.series.items()}
    return _Prepared(run=run, experiment=foreign.experiment, blocks=blocks, inputs=foreign.inputs, artifacts=files)


def _blocks(run: str, key: str, name: str, points: Points) -> Iterator[SeriesBlock]:
    """All points; a block is named by where it begins, so that it is added once."""
    for low in range(0, len(points.values), BLOCK_POINTS):
        part = slice(low, low + BLOCK_POINTS)
        yield block_of(run, key, f"{name}@{low}", _part(points, part))


def _part(points: Points, part: slice) -> Points:
    return Points(points.steps[part], points.times_us[part], points.values[part])


def _points(prepared: _Prepared) -> int:
    return sum(block.count for blocks in prepared.blocks.values() for block in blocks)


def _write(stores: Stores, name: str, group: Sequence[_Prepared], here: Counter[str]) -> None:
    if not group:
        return
    with stores.ledger.write() as tx:
        for prepared in group:
            _write_run(stores, tx, name, prepared)
        for prepared in group:
            _count(tx, prepared, here)


def _write_run(stores: Stores, tx: Transaction, name: str, prepared: _Prepared) -> None:
    """Add a run, or what is new of it."""
    experiment = tx.experiments.find(stores.project, prepared.experiment)
    if experiment is None:
        raise NotFound("experiment", prepared.experiment)
    run = msgspec.structs.replace(prepared.run, experiment=experiment.id)
    before = _find(tx, run.id)
    if before is not None and before.project != stores.project:
        raise Conflict(f"run {run.id} is in another project of this ledger already", hint="import it there")
    subject = node("run", run.id)
    ended_before = before is not None and before.status is not RunStatus.RUNNING
    if before is None:
        tx.runs.add(run)
        told = {"name": run.name, "experiment": experiment.name, "imported": name}
        stores.tell(tx, "run.created", subject, told)
    else:
        run = _reread(before, run) if ended_before else _grown(before, run)
        if before != run:
            tx.runs.put(run)
    changed = _add_points(tx, prepared) + _add_files(tx, prepared) + _add_inputs(stores, tx, prepared)
    if run.status is not RunStatus.RUNNING and not ended_before:
        facts = {"status": run.status, "reason": run.reason, **account_of_run(tx, run)}
        stores.tell(tx, "run.ended", subject, facts)
    elif ended_before and (changed or before != run):
        stores.tell(tx, "run.described", subject, {"imported": name, **account_of_run(tx, run)})


def _grown(before: Run, told: Run) -> Run:
    """A run that went on here, as it is told now, with what was added to it here."""
    return msgspec.structs.replace(told, params={**before.params, **told.params}, tags={**before.tags, **told.tags})


def _reread(before: Run, told: Run) -> Run:
    """A run with the values of parameters whose texts are the same, as they are read now."""
    same = {key: told.params[key] for key, value in before.params.items() if _has_text(told, key, text_of(value))}
    return msgspec.structs.replace(before, params={**before.params, **same})


def _has_text(run: Run, key: str, text: str) -> bool:
    return key in run.params and text_of(run.params[key]) == text


def _add_points(tx: Transaction, prepared: _Prepared) -> int:
    """Add the points behind those that are there; a series has them in the order of the source."""
    there = {series.key: series.count for series in tx.series.summaries([prepared.run.id])}
    fresh: list[SeriesBlock] = []
    for key, blocks in prepared.blocks.items():
        fresh += _behind(blocks, there.get(key, 0))
    return tx.series.append(fresh) if fresh else 0


def _behind(blocks: Sequence[SeriesBlock], count: int) -> Iterator[SeriesBlock]:
    """The blocks without the first `count` points."""
    for block in blocks:
        if count <= 0:
            yield block
        elif count < block.count:
            begins = int(block.source.rpartition("@")[2]) + count
            rest = _part(points_of(block), slice(count, None))
            yield block_of(block.run, block.key, f"{block.source.rpartition('@')[0]}@{begins}", rest)
        count -= block.count


def _add_files(tx: Transaction, prepared: _Prepared) -> int:
    there = {artifact.path: artifact.digest for artifact in tx.artifacts.list(prepared.run.id)}
    fresh = [artifact for artifact in prepared.artifacts if there.get(artifact.path) != artifact.digest]
    for artifact in fresh:
        tx.artifacts.put(artifact)
    return len(fresh)


def _add_inputs(stores: Stores, tx: Transaction, prepared: _Prepared) -> int:
    """Add what flowed into the run and out of it, with the edges of lineage."""
    run = prepared.run.id
    fresh = unknown_inputs(tx, run, prepared.inputs)
    link_inputs(stores, tx, run, fresh, at_us=prepared.run.created_us)
    return len(fresh)


def _count(tx: Transaction, prepared: _Prepared, here: Counter[str]) -> None:
    """Count what of the source is here now; what somebody added here since does not count."""
    run = tx.runs.get(prepared.run.id)
    here["runs"] += 1
    here["params"] += sum(_has_text(run, key, text_of(value)) for key, value in prepared.run.params.items())
    here["tags"] += len(run.tags.keys() & prepared.run.tags.keys())
    series = {each.key: each.count for each in tx.series.summaries([run.id]) if each.key in prepared.blocks}
    here["series"] += len(series)
    here["points"] += sum(series.values())
    kept = {(each.role, each.name, each.digest, each.model) for each in tx.inputs.list([run.id])}
    here["inputs"] += sum((each.role, each.name, each.digest, each.model) in kept for each in prepared.inputs)
    paths = {artifact.path for artifact in tx.artifacts.list(run.id)}
    here["files"] += sum(artifact.path in paths for artifact in prepared.artifacts)


def _find(tx: Transaction, id: str) -> Run | None:
    try:
        return tx.runs.get(id)
    except NotFound:
        return None
