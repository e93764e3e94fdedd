"""The services of runs, in place over a ledger. Not the run that user code holds (`run`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from clew.core.contracts.ledger import Durability, Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import NotFound
from clew.core.ids import Digest, is_id
from clew.core.judging import FoundRun
from clew.core.paging import Page, checked_after
from clew.core.types.beat import Beat
from clew.core.types.edge import Edge, Node, Role, node
from clew.core.types.run import Artifact, Experiment, Run, RunStatus, Scalar
from clew.core.types.series import Sample, Series, SeriesBlock
from clew.store.account import account_of_run
from clew.store.owner import check_mine
from clew.tracking.described import check_running, described
from clew.tracking.fork import FORK_TAG, forked, named_fork
from clew.tracking.merge import merged_series, put_merged
from clew.tracking.named import SHORTEST_PREFIX, ambiguous, unknown
from clew.tracking.revise import add_blocks, durability_of, revise
from clew.tracking.sample import sample
from clew.tracking.search import known_experiment, search_of, search_runs
from clew.tracking.stop import STOP_TAG

__all__ = ["LedgerRuns"]


class LedgerRuns:
    """`clew.core.contracts.services.RunService` over the stores of a project."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def create(self, run: Run, *, experiment: str) -> Run:
        """Add a run to the experiment of this name, which is made when there is none."""
        with self._stores.ledger.write(Durability.KILL) as tx:
            found = _find(tx, run.id)
            if found is not None:
                return self._mine(tx, run.id)
            # A run that began offline does not know its project.
            run = msgspec.structs.replace(
                run, project=self._stores.project, experiment=self._experiment(tx, experiment).id
            )
            tx.runs.add(run)
            self._event(tx, run.id, "run.created", {"name": run.name, "experiment": experiment})
        return run

    def get(self, id: str) -> Run:
        """A run by its id, an unambiguous prefix of at least four digits, or its name (the newest)."""
        with self._stores.ledger.read() as tx:
            found = [self._mine(tx, id)] if is_id(id) else tx.runs.find(self._stores.project, id)
        named = [run for run in found if run.name == id]
        if named or (len(found) == 1 and (is_id(id) or len(id) >= SHORTEST_PREFIX)):
            return (named or found)[0]
        if len(found) > 1 and len(id) >= SHORTEST_PREFIX:
            raise ambiguous(id, found)
        with self._stores.ledger.read() as tx:
            raise unknown(tx, self._stores.project, id)

    def append(self, blocks: Sequence[SeriesBlock]) -> None:
        """Add blocks of points; a block whose source is there is skipped.

        A run that has ended takes them too: they come from a process that was still draining, or is gone. They
        survive *power* then, as the run does.
        """
        if self.append_running(blocks):
            return
        of_run: dict[str, list[SeriesBlock]] = {}
        for block in blocks:
            of_run.setdefault(block.run, []).append(block)
        ids = sorted(of_run)
        with self._stores.ledger.write(within=tuple(node("run", run) for run in ids)) as tx:
            for run in ids:
                add_blocks(self._stores, tx, self._mine(tx, run), of_run[run])

    def append_running(self, blocks: Sequence[SeriesBlock]) -> bool:
        """`append`, where all of these runs are under way; False, and nothing is added, where one is not."""
        ids = sorted({block.run for block in blocks})
        with self._stores.ledger.write(Durability.KILL, within=tuple(node("run", run) for run in ids)) as tx:
            found = tx.runs.among(self._stores.project, ids, status=RunStatus.RUNNING)
            if len(found) < len(ids):
                return False
            tx.series.append(blocks)
        return True

    def describe(
        self,
        run: str,
        *,
        params: Mapping[str, Scalar] | None = None,
        tags: Mapping[str, str] | None = None,
        capture: Mapping[str, Digest] | None = None,
        commit: str | None = None,
        name: str | None = None,
        experiment: str | None = None,
    ) -> Run:
        """Merge into a run. `Conflict` when a parameter has another value already."""
        within = node("run", run) if experiment is None else ""
        with self._stores.ledger.read() as tx:
            durability = durability_of(self._mine(tx, run))
        with self._stores.ledger.write(durability, within=within) as tx:
            before = self._mine(tx, run)
            after = described(before, params=params, tags=tags, capture=capture, commit=commit, name=name)
            if experiment is not None:
                after = msgspec.structs.replace(after, experiment=self._experiment(tx, experiment).id)
            return revise(self._stores, tx, before, after)

    def add_artifact(self, artifact: Artifact) -> None:
        """Name an object as a file of the run; the same path replaces. Survives *power*."""
        with self._stores.ledger.write(within=node("run", artifact.run)) as tx:
            run = self._mine(tx, artifact.run)
            if _digest_at(tx, artifact.run, artifact.path) == artifact.digest:
                return
            check_running(run)
            tx.artifacts.put(artifact)
            facts = {"path": artifact.path, "digest": artifact.digest, "size_bytes": artifact.size_bytes}
            self._event(tx, artifact.run, "run.artifact_added", facts)

    def link(self, run: str, node: Node, role: Role) -> None:
        """Say that a node flowed into the run (`Role.OUTPUT`: out of it)."""
        edge = _edge(run, node, role, self._stores.clock.now_us())
        with self._stores.ledger.write(Durability.KILL, within=f"run:{run}") as tx:
            active = self._mine(tx, run)
            check_mine(tx, self._stores.project, [node])
            if not tx.edges.add([edge]):
                return
            check_running(active)
            self._event(tx, run, "run.linked", {"node": node, "role": role})

    def finish(self, run: str, status: RunStatus, *, ended_us: int, reason: str = "") -> Run:
        """End a run; survives *power* together with all points appended before."""
        with self._stores.ledger.read() as tx:
            crumbs = merged_series(tx, run)
        with self._stores.ledger.write(within=node("run", run)) as tx:
            before = self._mine(tx, run)
            if before.status is status:
                return before
            check_running(before)
            put_merged(tx, run, crumbs)
            ended_us = max(ended_us, before.created_us)  # the clock may have gone back
            after = msgspec.structs.replace(before, status=status, ended_us=ended_us, reason=reason)
            self._end(tx, after)
        return after

    def resume(self, run: str) -> Run:
        """Let a run that has ended go on; one that runs is left alone."""
        with self._stores.ledger.write(within=node("run", run)) as tx:
            found = self._mine(tx, run)
            if found.status is not RunStatus.RUNNING:  # that it was asked to stop is over with its end
                found = msgspec.structs.replace(found, tags={k: v for k, v in found.tags.items() if k != STOP_TAG})
            return self._resume(tx, found)

    def fork(self, run: str, *, of: str, step: float) -> Run:
        """Give a run the history of another one up to a step: its points, and parameters that it does not have."""
        with self._stores.ledger.write(Durability.KILL) as tx:
            before, source = self._mine(tx, run), self._mine(tx, of)
            check_running(before)
            origin = named_fork(source.id, step)
            if before.tags.get(FORK_TAG) == origin:
                return before
            for series in tx.series.summaries([of]):
                blocks = [part for block in tx.series.blocks(of, series.key) if (part := forked(block, run, step))]
                if blocks:
                    tx.series.append(blocks)
            after = described(before, params={**source.params, **before.params}, tags={FORK_TAG: origin})
            tx.runs.put(after)
            tx.edges.add([_edge(run, node("run", of), Role.INPUT, self._stores.clock.now_us())])
            self._event(tx, run, "run.forked", {"of": of, "step": step})
        return after

    def beat(self, run: str) -> Run:
        """Say that the process of a run lives; one that was believed to be lost runs again."""
        with self._stores.ledger.write(Durability.KILL, within=node("run", run)) as tx:
            found = self._mine(tx, run)
            if found.status is RunStatus.LOST:
                found = self._resume(tx, found)
            if found.status is RunStatus.RUNNING:
                tx.beats.add(run, self._stores.project, at_us=self._stores.clock.now_us())
        return found

    def lose(self, beat: Beat, *, reason: str) -> bool:
        """End a run whose process gave no other sign of life than this one; False where it did."""
        with self._stores.ledger.write(within=node("run", beat.run)) as tx:
            if beat not in tx.beats.list(self._stores.project):
                return False
            run = self._mine(tx, beat.run)
            if run.status is RunStatus.RUNNING:
                gone = {"status": RunStatus.LOST, "ended_us": beat.at_us, "reason": reason}
                self._end(tx, msgspec.structs.replace(run, **gone))
            tx.beats.remove(beat.run)
        return run.status is RunStatus.RUNNING

    def summaries(self, runs: Sequence[str], *, keys: Sequence[str] = ()) -> list[Series]:
        """The summaries of the series of these runs; of these keys only where some are given."""
        with self._stores.ledger.read() as tx:
            mine = tx.runs.among(self._stores.project, runs)
            return tx.series.summaries([run for run in runs if run in mine], keys=keys)

    def blocks(self, run: str, key: str) -> list[SeriesBlock]:
        """The blocks of one series, in order of arrival."""
        with self._stores.ledger.read() as tx:
            return tx.series.blocks(run, key) if self._holds(tx, run) else []

    def sample(
        self,
        runs: Sequence[str],
        key: str,
        *,
        width: int = 1000,
        low: float | None = None,
        high: float | None = None,
    ) -> list[Sample]:
        """One series of several runs as a chart of `width` pixels shows it."""
        with self._stores.ledger.read() as tx:
            mine = tx.runs.among(self._stores.project, runs)
            blocks = {run: tx.series.blocks(run, key) for run in dict.fromkeys(runs) if run in mine}
        return sample(blocks, key, width=width, low=low, high=high)

    def artifacts(self, run: str) -> list[Artifact]:
        """The artifacts of a run, by path."""
        with self._stores.ledger.read() as tx:
            return tx.artifacts.list(run) if self._holds(tx, run) else []

    def experiments(self) -> list[Experiment]:
        """All experiments, by name."""
        with self._stores.ledger.read() as tx:
            return tx.experiments.list(self._stores.project)

    def list(self, *, experiment: str = "", parent: str = "", limit: int = 100, after: str = "") -> Page[Run]:
        """Runs, newest first; of one experiment, or those that a run started, where one is given."""
        with self._stores.ledger.read() as tx:
            only = known_experiment(tx, self._stores.project, experiment).id if experiment else ""
            return tx.runs.list(
                self._stores.project, experiment=only, parent=parent, limit=limit, after=checked_after(after)
            )

    def search(
        self,
        *,
        where: str = "",
        sort: str = "",
        experiment: str = "",
        limit: int = 50,
        after: str = "",
        metrics: Sequence[str] | None = None,
    ) -> Page[FoundRun]:
        """Runs that pass a filter, in an order, newest first among equals."""
        search = search_of(
            where=where,
            sort=sort,
            experiment=experiment,
            limit=limit,
            after=after,
            metrics=metrics,
            now_us=self._stores.clock.now_us(),
        )
        return search_runs(self._stores, search, experiment=experiment)

    def _end(self, tx: Transaction, run: Run) -> None:
        tx.runs.put(run)
        tx.beats.remove(run.id)
        facts = {"status": run.status, "reason": run.reason[-500:], **account_of_run(tx, run)}
        self._event(tx, run.id, "run.ended", facts)

    def _resume(self, tx: Transaction, run: Run) -> Run:
        if run.status is RunStatus.RUNNING:
            return run
        after = msgspec.structs.replace(run, status=RunStatus.RUNNING, ended_us=0, reason="")
        tx.runs.put(after)
        self._event(tx, run.id, "run.resumed", {"was": run.status, "reason": run.reason[-500:]})
        return after

    def _mine(self, tx: Transaction, run: str) -> Run:
        """A run of this project; those of other projects are not there."""
        found = tx.runs.get(run)
        if found.project != self._stores.project:
            raise NotFound("run", run, hint="clew runs list")
        return found

    def _holds(self, tx: Transaction, run: str) -> bool:
        return bool(tx.runs.among(self._stores.project, [run]))

    def _experiment(self, tx: Transaction, name: str) -> Experiment:
        found = tx.experiments.find(self._stores.project, name)
        if found is None:
            now = self._stores.clock.now_us()
            found = Experiment(id=self._stores.ids(), project=self._stores.project, name=name, created_us=now)
            tx.experiments.add(found)
        elif found.deleted_us:  # whoever trains in it wants it; the runs that went with it stay in the trash
            found = msgspec.structs.replace(found, deleted_us=0, updated_us=self._stores.clock.now_us())
            tx.experiments.put(found)
            self._stores.tell(tx, "experiment.restored", node("experiment", found.id), {"name": name})
        return found

    def _event(self, tx: Transaction, run: str, kind: str, facts: dict[str, object]) -> None:
        self._stores.tell(tx, kind, node("run", run), facts)


def _find(tx: Transaction, id: str) -> Run | None:
    try:
        return tx.runs.get(id)
    except NotFound:
        return None


def _digest_at(tx: Transaction, run: str, path: str) -> Digest | None:
    """What a run keeps at a path now, without reading all that it keeps: it may be thousands."""
    try:
        return tx.artifacts.get(run, path).digest
    except NotFound:
        return None


def _edge(run: str, other: Node, role: Role, at_us: int) -> Edge:
    mine = node("run", run)
    source, target = (mine, other) if role is Role.OUTPUT else (other, mine)
    return Edge(source=source, target=target, role=role, run=run, at_us=at_us)
