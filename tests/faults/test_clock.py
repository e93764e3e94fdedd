"""Commands between which the clock jumps, by hours or by years, ahead and back: nothing but the times is wrong then.

Each command opens the project anew, as a process of its own does. What is known beforehand is counted, not timed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from clew.audit.seal import seal
from clew.audit.verify import verify
from clew.core.errors import Invalid
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.core.types.edge import node
from clew.core.types.job import Job
from clew.core.types.model import Model, ModelVersion
from clew.core.types.run import RunStatus
from clew.core.types.series import SeriesBlock
from clew.data.add_table import add_table
from clew.data.site import Site
from clew.loop.care.backup import back_up, ledgers_of
from clew.loop.care.collect import Terms
from clew.loop.care.free import free
from clew.loop.care.retention import note_collection
from clew.loop.care.trash import delete_runs, in_trash, restore_runs
from clew.store.account import row_digest
from clew.store.objects.local import LocalObjects
from clew.testing.clock import ManualClock
from clew.testing.ledger.examples import a_block, a_run, change
from clew.tracking.runs import LedgerRuns
from clew.worker.worker import Worker, queue
from clew.workspace import Workspace, init_project

HOUR_US = 3600 * 1_000_000
DAY_US = 24 * HOUR_US
KEEP_US = 30 * DAY_US
TERMS = Terms(young_us=-(10**17), grace_us=7 * DAY_US)


class Life:
    """A project, and what must be so in it."""

    def __init__(self, root: Path) -> None:
        self.root, self.clock = root / "p", ManualClock()
        init_project(self.root)
        with Workspace(self.root, clock=self.clock) as workspace:
            self.project = workspace.stores.project
        self.count = 0
        self.told: list[str] = []
        self.runs: list[str] = []
        self.deleted: dict[str, int] = {}
        self.aside: dict[Digest, int] = {}
        self.seen_us: list[int] = []
        self.versions: dict[str, list[int]] = {"flights": []}
        self.chosen, self.has_others = 0, False

    def command(self, what: str) -> None:
        """One command, in a process of its own."""
        self.count += 1
        with Workspace(self.root, clock=self.clock) as workspace:
            getattr(self, what)(workspace)
            seal(workspace.stores)
            self.seen_us.append(self.clock.us)
            self.check(workspace)

    def add_data(self, workspace: Workspace) -> None:
        frame = pl.DataFrame({"x": [self.count]})
        added = add_table(Site.of(workspace.stores), "flights", frame).version
        self.versions["flights"].append(self.count)
        assert added.number == len(self.versions["flights"])

    def log_run(self, workspace: Workspace) -> None:
        stores, runs = workspace.stores, LedgerRuns(workspace.stores)
        run = a_run(stores.ids(), project=stores.project, created_us=self.clock.us)
        runs.create(run, experiment="e")
        runs.append([self.block(run.id, source) for source in ("j:0-1", "j:1-2")])
        self.clock.us -= HOUR_US
        ended = runs.finish(run.id, RunStatus.FINISHED, ended_us=self.clock.us)
        assert ended.ended_us >= ended.created_us
        self.runs.append(run.id)

    def block(self, run: str, source: str) -> SeriesBlock:
        return change(a_block(source, 1.0), run=run, last_time_us=self.clock.us)

    def delete_run(self, workspace: Workspace) -> None:
        alive = [run for run in self.runs if run not in self.deleted]
        if alive:
            delete_runs(workspace.stores, [workspace.runs.get(alive[0])])
            self.deleted[alive[0]] = self.clock.us

    def restore_run(self, workspace: Workspace) -> None:
        for run in in_trash(workspace.stores)[:1]:
            restore_runs(workspace.stores, [run.id])
            del self.deleted[run.id]

    def move_alias(self, workspace: Workspace) -> None:
        stores = workspace.stores
        package = stores.objects.put(b"package %d" % self.count)
        with stores.ledger.write() as tx:
            model = tx.models.find(stores.project, "delay")
            if model is None:
                model = Model(id=stores.ids(), project=stores.project, name="delay", created_us=self.clock.us)
                tx.models.add(model)
            before = tx.models.newest(model.id)
            version = ModelVersion(
                id=stores.ids(),
                model=model.id,
                name="delay",
                number=before.number + 1 if before else 1,
                package=package,
                run="",
                created_us=self.clock.us,
                created_by="ann",
            )
            tx.models.add_version(version)
            facts = {"reference": version.reference, "package": package, "row": row_digest(version)}
            stores.tell(tx, "version.added", node("model", version.id), facts)
        workspace.aliases.promote(version.reference, "chosen")
        self.chosen = version.number

    def work(self, workspace: Workspace) -> None:
        """What is queued is done at once, also where a worker had it that died at another time."""
        stores = workspace.stores
        done: list[str] = []

        def handle(job: Job) -> dict[str, object]:
            done.append(job.id)
            return {}

        assert queue(stores, "watch", "k", {}) is not None
        if self.count % 2:
            with stores.ledger.write() as tx:
                lost = tx.jobs.lease(stores.project, holder="gone", now_us=self.clock.us, until_us=self.clock.us + 60)
            assert lost is not None
            self.clock.us -= 2 * HOUR_US
        assert Worker(stores, "w", {"watch": handle}).drain() == len(done) == 1

    def gc(self, workspace: Workspace) -> None:
        """As `clew gc` does it. What goes was over when an earlier command looked at the clock."""
        stores = workspace.stores
        stores.objects.put(garbage := b"garbage %d" % self.count)
        before, trash = self.set_aside(stores.objects), {run.id for run in in_trash(stores)}
        free(stores, TERMS, trash_us=KEEP_US, tell=lambda _: None)
        note_collection(stores)
        for run in trash - {run.id for run in in_trash(stores)}:
            assert any(seen - KEEP_US > self.deleted[run] for seen in self.seen_us), "gone too early"
        for digest in before - self.set_aside(stores.objects):
            assert any(seen - TERMS.grace_us > self.aside[digest] for seen in self.seen_us), "deleted too early"
        self.aside[hash_bytes(garbage)] = self.clock.us

    def set_aside(self, objects: object) -> set[Digest]:
        assert isinstance(objects, LocalObjects)
        return {digest for each in objects.quarantine.generations() for digest in each.names()}

    def backup(self, workspace: Workspace) -> None:
        target = self.root.parent / "backup"
        if self.has_others:
            with pytest.raises(Invalid, match="would be left out"):
                back_up(workspace.stores, self.root, target, tell=lambda _: None)
            return
        made = back_up(workspace.stores, self.root, target, keep=2, tell=lambda _: None)
        assert str(ledgers_of(target)[-1]) == made.ledger, "the newest one is the last one"

    def add_project(self, workspace: Workspace) -> None:
        workspace.accounts.add_project(f"other-{self.count}")
        self.has_others = True

    def check(self, workspace: Workspace) -> None:
        stores = workspace.stores
        assert stores.project == self.project
        assert verify(stores).problems == [], verify(stores)
        events = workspace.services.events.list(limit=1000).items
        positions = workspace.services.events.positions([event.id for event in events])
        assert [positions[event.id] for event in events] == list(range(len(events), 0, -1)), "listed as they came"
        assert len({event.id for event in events}) == len(events)
        if self.versions["flights"]:
            with stores.ledger.read() as tx:
                dataset = tx.datasets.find(stores.project, "flights")
                assert dataset is not None
                version = tx.datasets.newest(dataset.id)
                assert version is not None
                assert version.number == len(self.versions["flights"])
                assert not stores.objects.missing([version.manifest])
        with stores.ledger.read() as tx:
            for run in self.runs:
                assert [block.source for block in tx.series.blocks(run, "loss")] in ([], ["j:0-1", "j:1-2"])
            if self.chosen:
                model = tx.models.find(stores.project, "delay")
                assert model is not None
                assert [move.number for move in tx.models.aliases(model.id)] == [self.chosen]
                packages = [version.package for version in tx.models.versions(model.id).items]
                assert not stores.objects.missing(packages)


COMMANDS = ["add_data", "log_run", "delete_run", "restore_run", "move_alias", "work", "gc", "backup", "add_project"]
JUMPED_PURGE = [
    ("log_run", 0),
    ("delete_run", 0),
    ("gc", 29 * DAY_US),
    ("add_data", 2 * DAY_US),
    ("gc", 3 * 365 * DAY_US),
]
"""A purge that is due, under a clock that jumped: the event that it makes ends nobody else's wait."""
JUMP = st.sampled_from([0, 1, HOUR_US, 40 * DAY_US, 3 * 365 * DAY_US]).flatmap(lambda us: st.sampled_from([us, -us]))


@settings(max_examples=8, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # to shrink takes minutes
@example(history=JUMPED_PURGE)
@example(history=[("backup", 0), ("add_project", 0), ("backup", -HOUR_US)])
@given(history=st.lists(st.tuples(st.sampled_from([*COMMANDS, "gc"]), JUMP), min_size=6, max_size=16))
def test_whatever_the_clock_does_between_commands(tmp_path_factory: Any, history: list[tuple[str, int]]) -> None:
    life = Life(tmp_path_factory.mktemp("clock"))
    for what, jump in history:
        life.clock.advance(jump)
        life.command(what)
