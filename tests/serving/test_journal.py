"""The journal of a replica: nothing acknowledged is lost, nothing torn is read."""

from __future__ import annotations

import os
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
from clew.serving.journal import HEADER, ReplicaJournal, is_live, read_frames, segments

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
@given(payloads=st.lists(st.binary(max_size=200), max_size=30), size=st.integers(1, 2000))
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
