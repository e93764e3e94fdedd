"""The journal of a replica: nothing acknowledged is lost, nothing torn is read."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.clock import SystemClock
from clew.core.errors import Corrupt, Unavailable
from clew.core.ids import Ids
from clew.serving.journal import HEADER, ReplicaJournal, is_live, is_written, read_frames, segments, torn_bytes
from clew.testing.disk import Fault, FaultyDisk

IDS = Ids(SystemClock())

WRITER = """
import sys
from pathlib import Path
from clew.core.clock import SystemClock
from clew.core.ids import Ids
from clew.serving.journal import ReplicaJournal
journal = ReplicaJournal(Path(sys.argv[1]), Ids(SystemClock()), segment_bytes=4096)
for i in range(1_000_000):
    journal.append(str(i).encode() * 7)
    print(i, flush=True)
"""


def everything(folder: Path) -> list[bytes]:
    return [payload for path in segments(folder) for payload, _ in read_frames(path)]


@settings(max_examples=25, deadline=None)
@given(payloads=st.lists(st.binary(min_size=1, max_size=200), max_size=30), size=st.integers(1, 2000))
def test_frames_come_back_in_order(tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], size: int) -> None:
    folder = tmp_path_factory.mktemp("replica")
    journal = ReplicaJournal(folder, IDS, segment_bytes=size)
    for payload in payloads:
        journal.append(payload)
    assert everything(folder) == payloads
    journal.close()


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    journal = ReplicaJournal(tmp_path, IDS)
    journal.append(b"one")
    [path] = segments(tmp_path)
    [(_, end)] = read_frames(path)
    journal.append(b"two")
    assert [payload for payload, _ in read_frames(path, end)] == [b"two"]
    journal.close()


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(0, 60))
def test_a_torn_tail_is_not_read(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("replica")
    journal = ReplicaJournal(folder, IDS)
    for payload in (b"first" * 4, b"second" * 4):
        journal.append(payload)
    journal.close()
    [path] = segments(folder)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut])
    assert everything(folder) in ([], [b"first" * 4], [b"first" * 4, b"second" * 4])


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    journal = ReplicaJournal(tmp_path, IDS)
    journal.append(b"payload")
    journal.close()
    [path] = segments(tmp_path)
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)
    with pytest.raises(Corrupt, match=f"byte {HEADER}"):
        everything(tmp_path)
    path.write_bytes(b"something else altogether")
    with pytest.raises(Corrupt):
        everything(tmp_path)


def test_one_process_holds_a_replica(tmp_path: Path) -> None:
    journal = ReplicaJournal(tmp_path, IDS)
    assert is_live(tmp_path)
    with pytest.raises(Unavailable):
        ReplicaJournal(tmp_path, IDS)
    journal.close()
    assert not is_live(tmp_path)
    assert not is_live(tmp_path / "nothing")
    ReplicaJournal(tmp_path, IDS).close()


def test_a_full_disk_refuses_and_keeps_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = ReplicaJournal(tmp_path, IDS)
    journal.append(b"kept")
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
    with pytest.raises(Unavailable, match="free some disk space"):
        journal.append(b"does not fit" * 100)
    monkeypatch.undo()
    journal.append(b"fits again")
    assert everything(tmp_path) == [b"kept", b"fits again"]
    journal.close()


def test_what_was_appended_survives_a_kill(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(2000)]
    writer.send_signal(signal.SIGKILL)
    count = len(lines) + len([line for line in writer.stdout.read().splitlines() if line])
    writer.stdout.close()
    writer.wait()
    found = everything(tmp_path)
    assert len(found) >= count
    assert found == [str(i).encode() * 7 for i in range(len(found))]
    assert not is_live(tmp_path)


def frames_in(folder: Path) -> list[bytes]:
    return [payload for path in segments(folder) for payload, _ in read_frames(path)]


def test_a_sync_that_failed_is_never_believed_again(tmp_path: Path) -> None:
    """The kernel takes pages that it could not write for written: only another file helps."""
    home = tmp_path / "disk" / "replica"
    home.parent.mkdir()
    with FaultyDisk(home.parent) as disk:
        journal = ReplicaJournal(home, IDS, sync_s=3600)
        journal.append(b"one" * 3000)
        disk.at, disk.fault = disk.count + 1, Fault.BROKEN
        journal.sync()
        assert disk.done[disk.at - 1].startswith("fsync")
        for seed in range(20):
            left = disk.after_power_loss(tmp_path / f"left {seed}", random.Random(seed))
            assert frames_in(left / "replica") == [b"one" * 3000]
        journal.append(b"two")
        assert frames_in(home) == [b"one" * 3000, b"two"]
        assert is_written(segments(home)[0])
        journal.close()


def test_a_segment_that_is_put_into_a_fresh_file_meanwhile_is_still_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, flock = ReplicaJournal(tmp_path, IDS, sync_s=3600), fcntl.flock

    def late(fd: int, operation: int) -> None:
        """The file is open, and the one of its name is another now."""
        monkeypatch.setattr(fcntl, "flock", flock)
        journal._rewrite()
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    assert is_written(segments(tmp_path)[0])
    journal.close()


def test_nothing_is_acknowledged_while_a_disk_refuses_what_was(tmp_path: Path) -> None:
    home = tmp_path / "disk" / "replica"
    home.parent.mkdir()
    with FaultyDisk(home.parent) as disk:
        journal = ReplicaJournal(home, IDS, sync_s=3600)
        journal.append(b"one")
        disk.at, disk.fault = disk.count + 1, Fault.READ_ONLY
        with pytest.raises(OSError, match="Read-only"):
            journal.sync()
        with pytest.raises(Unavailable, match="Read-only"):
            journal.append(b"two")
        disk.at = 0
        journal.append(b"three")
        assert frames_in(disk.after_power_loss(tmp_path / "left", random.Random(1)) / "replica")[:1] == [b"one"]
        assert frames_in(home) == [b"one", b"three"]
        journal.close()


def test_what_a_broken_disk_kept_of_a_refused_frame_is_not_in_the_way(tmp_path: Path) -> None:
    """A write was cut, and the disk would not take it back either."""
    home = tmp_path / "disk" / "replica"
    home.parent.mkdir()
    with FaultyDisk(home.parent) as disk:
        journal = ReplicaJournal(home, IDS, sync_s=3600)
        journal.append(b"one")
        disk.at, disk.fault = disk.count + 1, Fault.SHORT
        truncate, os.ftruncate = os.ftruncate, refuse
        with pytest.raises(Unavailable, match="No space"):
            journal.append(b"two" * 100)
        os.ftruncate = truncate
        disk.at = 0
        journal.append(b"three")
        assert frames_in(home) == [b"one", b"three"]
        journal.close()


def refuse(fd: int, length: int) -> None:
    raise OSError(5, "Input/output error")


def test_zeros_at_the_end_are_frames_that_a_machine_lost(tmp_path: Path) -> None:
    journal = ReplicaJournal(tmp_path, IDS)
    journal.append(b"one")
    journal.close()
    [path] = segments(tmp_path)
    whole = path.stat().st_size
    os.truncate(path, whole + 5000)
    assert frames_in(tmp_path) == [b"one"]
    assert torn_bytes(path, whole) == 0
    with path.open("r+b") as file:
        file.seek(whole + 4000)
        file.write(b"x")
    assert torn_bytes(path, whole) == 5000
    with pytest.raises(Corrupt, match="frame of 0 bytes"):
        frames_in(tmp_path)
