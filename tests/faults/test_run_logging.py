"""Logging on disks that fail: `log` never raises, a kill loses nothing that it returned from, an end has everything."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.clock import SystemClock
from clew.core.contracts.stores import Stores
from clew.core.ids import Ids
from clew.core.types.run import RunStatus
from clew.store.ledger.memory import MemoryLedger
from clew.store.objects.local import LocalObjects
from clew.testing.disk import Crash, Fault, FaultyDisk
from clew.testing.faults import FaultyLedger, Plan, When
from clew.testing.runs import ONE, a_run
from clew.tracking.adopt import adopt, journals_folder
from clew.tracking.drain import Drain
from clew.tracking.journal import Journal, _live
from clew.tracking.runs import LedgerRuns
from clew.tracking.series import join, points_of


def stores_in(folder: Path, ledger: MemoryLedger | FaultyLedger) -> Stores:
    clock = SystemClock()
    return Stores(
        ledger=ledger,
        objects=LocalObjects(folder / "objects"),
        clock=clock,
        ids=Ids(clock),
        project="p",
        actor="ann",
        folder=folder,
    )


def values(stores: Stores) -> list[float]:
    blocks = LedgerRuns(stores).blocks(ONE, "loss")
    return join(points_of(block) for block in blocks).values.tolist() if blocks else []


@settings(max_examples=120)
@given(
    at=st.integers(1, 60),
    fault=st.sampled_from([fault for fault in Fault if fault is not Fault.SLOW]),
    mapped=st.booleans(),
    drained=st.sets(st.integers(0, 59), max_size=4),
)
def test_a_run_on_a_disk_that_fails(
    tmp_path_factory: pytest.TempPathFactory, at: int, fault: Fault, mapped: bool, drained: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    stores = stores_in(folder, MemoryLedger())
    runs, told, done = LedgerRuns(stores), list[str](), 0
    runs.create(a_run(), experiment="e")
    with FaultyDisk(folder, at=at, fault=fault) as disk:
        with suppress(Crash):
            journal = Journal(journals_folder(folder, ONE), ONE, smallest=8, mapped=mapped, say=told.append)
            drain = Drain(journal, runs.append, say=told.append)
            for step in range(60):
                journal.log({"loss": step}, step)
                done = step + 1
                if step in drained:
                    drain.flush()
            drain.finish()
            runs.finish(ONE, RunStatus.FINISHED, ended_us=9)
        if not disk.crashed:
            assert values(stores) == [float(step) for step in range(60)]
            with suppress(OSError, Crash):
                journal.close(delete=True)
            return
    _live.discard(journal)  # of a process that is gone: its files are closed, and no fork closes their numbers again
    adopt(runs, stores.objects, folder)
    found = values(stores)
    assert found == [float(step) for step in range(len(found))]
    assert len(found) >= done, f"{len(found)} of {done}; {disk.done}"
    assert runs.get(ONE).status in (RunStatus.KILLED, RunStatus.FINISHED, RunStatus.RUNNING)


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("at", range(1, 6))
def test_a_drain_whose_ledger_fails_brings_every_point_home_once(tmp_path: Path, when: When, at: int) -> None:
    inner = MemoryLedger()
    LedgerRuns(stores_in(tmp_path, inner)).create(a_run(), experiment="e")
    runs = LedgerRuns(stores_in(tmp_path, FaultyLedger(inner, Plan(at, when))))
    journal = Journal(journals_folder(tmp_path, ONE), ONE, smallest=8)
    drain = Drain(journal, runs.append, say=lambda _: None)
    for step in range(40):
        journal.log({"loss": step}, step)
        if step % 10 == 9:
            with suppress(Exception):
                drain.flush()
    with suppress(Exception):
        drain.finish()
    drain.finish()
    journal.close(delete=True)
    assert values(stores_in(tmp_path, inner)) == [float(step) for step in range(40)]
