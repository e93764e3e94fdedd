"""The prediction log on disks that fail: what was acknowledged is there once, in the journal or in the logs."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.clock import SystemClock
from clew.core.errors import Corrupt, Unavailable
from clew.core.ids import Ids
from clew.serving.journal import ReplicaJournal, read_frames, segments
from clew.testing.disk import Crash, Fault, FaultyDisk

IDS = Ids(SystemClock())


class Replica:
    """A replica that is asked and told things, on a disk that fails; it knows what it has promised."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.promised: list[bytes] = []
        self.synced = 0
        self.journal: ReplicaJournal | None = None

    def ask(self, payload: bytes) -> None:
        with suppress(Unavailable):
            self._opened().append(payload)
            self.promised.append(payload)

    def sync(self) -> None:
        with suppress(OSError, Unavailable):
            self._opened().sync()
            self.synced = len(self.promised)

    def _opened(self) -> ReplicaJournal:
        if self.journal is None:
            self.journal = ReplicaJournal(self.folder, IDS, segment_bytes=9000, sync_s=3600)
        return self.journal

    def end(self) -> None:
        """Let its thread go, without another sync."""
        if self.journal is not None:
            self.journal._stop.set()


def readable(folder: Path) -> list[bytes]:
    """What can be read: a segment whose end was lost with the machine gives what stands before."""
    found = []
    for path in segments(folder):
        with suppress(Corrupt):
            for payload, _ in read_frames(path):
                found.append(payload)
    return found


@settings(max_examples=150)
@given(
    steps=st.lists(st.integers(0, 6000), min_size=1, max_size=25),
    at=st.integers(1, 60),
    fault=st.sampled_from([fault for fault in Fault if fault is not Fault.SLOW]),
    well_again=st.integers(0, 25),
    seed=st.integers(0, 1000),
)
def test_a_journal_on_a_disk_that_fails(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], at: int, fault: Fault, well_again: int, seed: int
) -> None:
    """A step of less than 1500 is a sync, another one a request of so many bytes."""
    folder = tmp_path_factory.mktemp("journal")
    home = folder / "decisions" / "e" / "replica-1"
    draw, replica = random.Random(seed), Replica(home)
    with FaultyDisk(folder, at=at, fault=fault) as disk:
        with suppress(Crash):
            for number, size in enumerate(steps):
                if number == well_again and not disk.crashed:
                    disk.at = 0
                if size < 1500:
                    replica.sync()
                else:
                    replica.ask(b"%d " % number + draw.randbytes(size))
        left = disk.after_power_loss(folder.parent / f"{folder.name}-left", draw)
    replica.end()
    here, there = readable(home), readable(left / "decisions" / "e" / "replica-1")
    assert here[: len(replica.promised)] == replica.promised, f"after a kill; {disk.done}"
    assert len(here) <= len(replica.promised) + disk.crashed, "a refused request leaves nothing"
    assert there[: replica.synced] == replica.promised[: replica.synced], f"after a loss of power; {disk.done}"
    assert set(there) <= set(here), "nothing is made up"


def test_requests_go_on_while_a_slow_disk_syncs(tmp_path: Path) -> None:
    """Frames that come during a sync are neither lost nor taken for synced."""
    home = tmp_path / "disk" / "replica"
    home.parent.mkdir()
    with FaultyDisk(home.parent, at=1, fault=Fault.SLOW) as disk:
        journal = ReplicaJournal(home, IDS, segment_bytes=4000, sync_s=0.001)
        sent = [b"%d " % number * 40 for number in range(150)]
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(journal.append, sent))
        journal.close()
        assert sorted(readable(home)) == sorted(sent)
        left = disk.after_power_loss(tmp_path / "left", random.Random(1))
        assert sorted(readable(left / "replica")) == sorted(sent)
