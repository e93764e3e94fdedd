"""The journal keeps what `log` returned from: through kills, forks, full disks and odd values."""

from __future__ import annotations

import errno
import math
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from clew.core.errors import Corrupt, Invalid
from clew.tracking.journal import Journal
from clew.tracking.segment import Segment, lock_file, read_segment, trusts_mmap
from clew.tracking.slots import parse_slots

RUN = "01" * 16
Row = tuple[str, float, float]


class Broken:
    """A number that cannot be had, as that of a tensor on a device that is gone."""

    def __float__(self) -> float:
        raise RuntimeError("the device is gone")

    __index__ = __float__


def read(folder: Path, journal: str = "") -> list[Row]:
    """Every point in the files of a folder (of one journal), by slot."""
    rows: list[tuple[int, Row]] = []
    for path in folder.glob(f"{journal}*.journal"):
        found = read_segment(path)
        assert found is not None
        header, data = found
        rows += numbered(parse_slots(data, header.base, str(path)))
    assert len({number for number, _ in rows}) == len(rows)
    return [row for _, row in sorted(rows, key=lambda r: r[0])]


def numbered(slots) -> list[tuple[int, Row]]:
    steps = [
        float(slots.steps.view("<f8")[i]) if real else int(slots.steps[i])
        for i, real in enumerate(slots.float_step.tolist())
    ]
    names = [slots.names[key] for key in slots.keys.tolist()]
    return list(zip(slots.numbers.tolist(), zip(names, steps, slots.values.tolist(), strict=True), strict=True))


def drain(journal: Journal, limit: int = 50) -> list[Row]:
    rows = []
    while (slots := journal.take(limit)) is not None:
        rows += [row for _, row in numbered(slots)]
        journal.drained()
    return rows


@pytest.fixture(params=["mapped", "written"])
def journal(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Journal]:
    journal = Journal(tmp_path / "j", RUN, mapped=request.param == "mapped", smallest=20, say=pytest.fail)
    yield journal
    journal.close(delete=True)


def test_points_are_in_the_file_when_log_returns(journal: Journal) -> None:
    journal.log({"loss": 0.5, "acc": 1}, 0)
    assert read(journal.folder) == [("loss", 0, 0.5), ("acc", 0, 1.0)]
    journal.log({"loss": math.inf}, 2.5)
    journal.log({"auc": np.float32(0.25)}, np.int64(7))
    assert read(journal.folder)[2:] == [("loss", 2.5, math.inf), ("auc", 7, 0.25)]


def test_it_grows_by_segments_that_each_name_their_keys(journal: Journal) -> None:
    expected = []
    for step in range(400):
        journal.log({"loss": step / 3, "a name of more than twenty-four bytes": -step}, step)
        expected += [("loss", step, step / 3), ("a name of more than twenty-four bytes", step, -step)]
    assert len(list(journal.folder.glob("*.journal"))) > 3
    assert read(journal.folder) == expected
    assert journal.pending > 800
    assert drain(journal) == expected
    assert journal.pending == 0
    assert len(list(journal.folder.glob("*.journal"))) == 2


def test_a_call_larger_than_a_segment_gets_one_that_holds_it(journal: Journal) -> None:
    many = {f"metric {i}": i for i in range(300)}
    journal.log(many, 1)
    assert drain(journal) == [(key, 1, value) for key, value in many.items()]


def test_draining_goes_on_where_it_stopped_while_points_come(journal: Journal) -> None:
    rows = []
    for step in range(60):
        journal.log({"loss": step}, step)
        if step % 7 == 0:
            journal.prepare()
            rows += drain(journal, limit=3)
    rows += drain(journal)
    assert rows == [("loss", step, step) for step in range(60)]


def test_what_was_taken_but_not_stored_is_taken_again(journal: Journal) -> None:
    journal.log({"loss": 1}, 1)
    first = journal.take(10)
    journal.log({"loss": 2}, 2)
    again = journal.take(10)
    assert first is not None
    assert again is not None
    assert first.numbers.tolist() == again.numbers.tolist() == [1]
    journal.drained()
    assert drain(journal) == [("loss", 2, 2)]


def test_without_a_step_each_metric_counts_for_itself(journal: Journal) -> None:
    for value in range(3):
        journal.log({"loss": value})
    journal.log({"acc": 9, "loss": 3})
    assert [(k, s) for k, s, _ in drain(journal)] == [("loss", 0), ("loss", 1), ("loss", 2), ("acc", 0), ("loss", 3)]


def test_bits_of_odd_floats_are_kept(journal: Journal) -> None:
    payload = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_BEEF))[0]
    values = [payload, math.inf, -math.inf, -0.0, 5e-324]
    for value in values:
        journal.log({"x": value}, 1)
    slots = journal.take(99)
    assert slots is not None
    assert slots.values.tobytes() == struct.pack("<5d", *values)


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ({"loss": 1.0, "acc": Broken()}, 1),
        ({"loss": 1.0, "acc": np.complex128(1)}, 1),
        ({"loss": 1.0, "acc": np.array([1.0, 2.0])}, 1),
        ({"loss": 1.0, "acc": "high" * 2500}, 1),
        ({"loss": 1.0, "acc": None}, 1),
        ({"loss": 1.0, "acc": 1j}, 1),
        ({"loss": 1.0, "acc": 10**400}, 1),
        ({"loss": 1.0, "acc": [1]}, 1),
        ({"loss": 1.0, "": 1.0}, 1),
        ({"loss": 1.0, "a\nb": 1.0}, 1),
        ({"loss": 1.0, "x" * 10_000: 1.0}, 1),
        ({"loss": 1.0, 3: 1.0}, 1),
        ({"loss": 1.0}, 1 << 63),
        ({"loss": 1.0}, math.nan),
        ({"loss": 1.0}, math.inf),
        ({"loss": 1.0}, "one"),
        ({"loss": 1.0}, Broken()),
    ],
)
@pytest.mark.parametrize("warm", [True, False])
def test_what_cannot_be_kept_is_told_once_and_left_out(
    journal: Journal, values: dict[str, float], step: int, warm: bool
) -> None:
    said: list[str] = []
    journal._say = said.append
    if warm:
        journal.log({"loss": 0.0, "acc": 0.0}, 0)
    for _ in range(3):
        journal.log(values, step)
    journal.log({"loss": 2.0}, 2)
    kept = [("loss", step, 1.0)] * 3 if step == 1 else []
    expected = [*([("loss", 0, 0.0), ("acc", 0, 0.0)] if warm else []), *kept, ("loss", 2, 2.0)]
    assert read(journal.folder) == expected
    assert drain(journal) == expected
    assert journal.refused == 3
    (told,) = said
    assert told.startswith("not logged: ")
    assert len(told) < 300


def test_not_every_metric_that_cannot_be_kept_is_told(journal: Journal) -> None:
    said: list[str] = []
    journal._say = said.append
    journal.log({f"m{number}": None for number in range(1000)}, 0)  # type: ignore[misc]
    assert (journal.refused, len(said)) == (1000, 20)


@pytest.mark.parametrize("warm", [True, False])
def test_a_value_that_logs_while_it_is_read_loses_nothing(journal: Journal, warm: bool) -> None:
    class Chatty:
        def __float__(self) -> float:
            journal.log({"inner": 2.0}, 5)
            return 3.0

    if warm:
        journal.log({"outer": 0.0, "inner": 0.0, "more": 0.0}, 0)
    journal.log({"outer": Chatty(), "more": 1.0}, 1)
    rows = drain(journal)
    assert sorted(rows[3 if warm else 0 :]) == [("inner", 5, 2.0), ("more", 1, 1.0), ("outer", 1, 3.0)]


def test_a_signal_handler_that_logs_as_a_first_call_ends_loses_nothing(journal: Journal) -> None:
    class Ends(list):  # type: ignore[type-arg]
        """Says that nothing is left to do, and is interrupted just then."""

        interrupts = True

        def __bool__(self) -> bool:
            empty = not len(self)
            if empty and journal._busy and self.interrupts:
                self.interrupts = False
                journal.log({"handler": 2.0}, 5)
            return not empty

    journal._deferred = Ends()
    journal.log({"loss": 1.0}, 1)
    assert drain(journal) == [("loss", 1, 1.0), ("handler", 5, 2.0)]


def test_a_first_call_that_is_interrupted_loses_no_other(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> bool:
        journal.log({"handler": 2.0}, 5)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(journal, "_make_room", interrupted)
    with pytest.raises(KeyboardInterrupt):
        journal.log({"loss": 1.0}, 1)
    journal.seal()
    assert drain(journal) == [("handler", 5, 2.0)]


def test_threads_share_a_journal(journal: Journal) -> None:
    def work(name: str) -> None:
        for step in range(200):
            journal.log({name: step, "all": step}, step)

    threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    rows = []
    while any(thread.is_alive() for thread in threads):
        rows += drain(journal)
        journal.prepare()
    for thread in threads:
        thread.join()
    rows += drain(journal)
    for i in range(4):
        assert [step for key, step, _ in rows if key == f"t{i}"] == list(range(200))
    assert len(rows) == 1600


def test_a_closed_journal_refuses_and_leaves_nothing_behind(tmp_path: Path) -> None:
    journal = Journal(tmp_path, RUN)
    journal.log({"loss": 1}, 1)
    journal.seal()
    with pytest.raises(Invalid, match="has ended"):
        journal.log({"loss": 1}, 2)
    assert len(drain(journal)) == 1
    journal.close(delete=True)
    with pytest.raises(Invalid, match="has ended"):
        journal.log({"loss": 1}, 2)
    assert list(tmp_path.iterdir()) == []


def test_the_lock_says_that_the_owner_lives(tmp_path: Path) -> None:
    journal = Journal(tmp_path, RUN)
    journal.open()
    (path,) = tmp_path.iterdir()
    fd = os.open(path, os.O_RDWR)
    assert not lock_file(fd)
    journal.close(delete=False)
    assert lock_file(fd)
    os.close(fd)


def test_a_forked_child_logs_to_a_journal_of_its_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path, RUN)
    journal.log({"parent": 1}, 1)
    run_in_child(lambda: (journal.log({"child": 2}, 2), os.kill(os.getpid(), signal.SIGKILL)))
    journal.log({"parent": 3}, 3)
    assert read(tmp_path, journal.id) == [("parent", 1, 1), ("parent", 3, 3)]
    (other,) = {p.name.partition(".")[0] for p in tmp_path.iterdir()} - {journal.id}
    assert read(tmp_path, other) == [("child", 2, 2)]
    found = read_segment(next(tmp_path.glob(f"{other}*.journal")))
    assert found is not None
    assert (found[0].main, found[0].child) == (False, True)
    journal.close(delete=True)


def test_a_child_that_outlives_its_parent_does_not_hold_the_lock(tmp_path: Path) -> None:
    journal = Journal(tmp_path, RUN)
    journal.open()
    (path,) = tmp_path.iterdir()
    hold, release = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(hold, 1)
        os._exit(0)
    journal.close(delete=False)
    fd = os.open(path, os.O_RDWR)
    try:
        assert wait_for(lambda: lock_file(fd))
    finally:
        os.write(release, b"x")
        os.waitpid(pid, 0)
        for each in (fd, hold, release):
            os.close(each)


def wait_for(what: Callable[[], bool]) -> bool:
    until_s = time.monotonic() + 60
    while not (found := what()) and time.monotonic() < until_s:
        time.sleep(0.001)
    return found


def run_in_child(work: Callable[[], object]) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(3)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)


LOOP = """
import mmap, os, sys
from pathlib import Path
from clew.tracking.journal import Journal
folder, acknowledged, mapped = sys.argv[1:]
with open(acknowledged, "r+b") as file:
    seen = mmap.mmap(file.fileno(), 8)
journal = Journal(Path(folder), "01" * 16, mapped=mapped == "1", smallest=100)
step = 0
while True:
    journal.log({"loss": step / 7, "acc": -step}, step)
    step += 1
    seen[:8] = step.to_bytes(8, "little")
"""


@pytest.mark.parametrize("mapped", ["1", "0"])
@pytest.mark.parametrize("threshold", [1, *random.Random(4).sample(range(2, 30_000), 3)])
def test_kill_loses_nothing_that_log_returned_from(tmp_path: Path, threshold: int, mapped: str) -> None:
    acknowledged = tmp_path / "acknowledged"
    acknowledged.write_bytes(bytes(8))
    process = subprocess.Popen([sys.executable, "-c", LOOP, tmp_path / "j", acknowledged, mapped])
    while int.from_bytes(acknowledged.read_bytes(), "little") < threshold:
        assert process.poll() is None
    process.kill()
    process.wait()
    steps = int.from_bytes(acknowledged.read_bytes(), "little")
    rows = read(tmp_path / "j")
    expected = [row for i in range(steps + 1) for row in (("loss", i, i / 7), ("acc", i, float(-i)))]
    assert 2 * steps <= len(rows) <= 2 * steps + 2
    assert rows == expected[: len(rows)]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_said_once_and_logging_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    journal = Journal(tmp_path / "j", RUN, mapped=True, smallest=20, say=said.append)
    journal.log({"loss": 0}, 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        for step in range(1, 300):
            journal.log({"loss": step}, step)
    on_disk = len(read(tmp_path / "j"))
    assert 0 < on_disk < 300
    for step in range(300, 1000):
        journal.log({"loss": step}, step)
    assert len(read(tmp_path / "j")) > on_disk
    assert drain(journal) == [("loss", step, step) for step in range(1000)]
    assert len(said) == 1
    assert "No space left" in said[0]
    journal.close(delete=True)
    assert not list((tmp_path / "j").iterdir())


def test_a_disk_that_fails_while_writing_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    journal = Journal(tmp_path / "j", RUN, mapped=False, smallest=20, say=said.append)
    journal.log({"loss": 0}, 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        for step in range(1, 100):
            journal.log({"loss": step}, step)
    assert journal.count_unsafe() == 100 - len(read(tmp_path / "j")) == 99
    assert drain(journal) == [("loss", step, step) for step in range(100)]
    assert len(said) == 1
    journal.close(delete=True)


def test_with_no_room_anywhere_points_are_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    now = [1]
    monkeypatch.setattr("clew.tracking.segments._MEMORY_SLOTS", 50)
    (tmp_path / "j").write_text("no folder")
    journal = Journal(tmp_path / "j", RUN, smallest=20, say=said.append, clock_s=lambda: now[0])
    for step in range(100):
        journal.log({"loss": step}, step)
    kept = len(drain(journal))
    assert 0 < kept < 60
    assert journal.dropped == 100 - kept
    assert len(said) == 2
    now[0] += 2
    (tmp_path / "j").unlink()
    journal.log({"loss": 7}, 7)
    assert drain(journal) == [("loss", 7, 7)]
    journal.close(delete=True)


def test_points_that_go_with_the_process_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, RUN, smallest=20, say=lambda _: None)
    for step in range(10):
        journal.log({"loss": step}, step)
    assert journal.count_unsafe() == 0
    monkeypatch.setattr(os, "posix_fallocate", full)
    for step in range(10, 100):
        journal.log({"loss": step}, step)
    kept = len(read(tmp_path))
    assert journal.count_unsafe() == 100 - kept > 50
    while journal.take(50) is not None:
        journal.drained()
        assert journal.count_unsafe() <= journal.pending
    assert journal.count_unsafe() == 0
    journal.close(delete=True)


def test_a_file_under_another_name_is_corrupt(tmp_path: Path) -> None:
    journal = Journal(tmp_path, RUN)
    journal.log({"loss": 1}, 1)
    (path,) = tmp_path.iterdir()
    journal.close(delete=False)
    other = path.rename(tmp_path / path.name.replace("000000", "000001"))
    with pytest.raises(Corrupt, match="says that it is segment 0"):
        read_segment(other)


def test_a_truncated_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    journal = Journal(tmp_path, RUN)
    for step in range(5):
        journal.log({"loss": step}, step)
    journal.close(delete=False)
    (path,) = tmp_path.iterdir()
    os.truncate(path, 128 + 32 * 4 + 7)
    assert [step for _, step, _ in read(tmp_path)] == [0, 1, 2]
    os.truncate(path, 60)
    assert read_segment(path) is None


def test_a_segment_that_cannot_be_made_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clew.tracking.slots import Header

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        Segment(Header(RUN, RUN, 0, 0, 10, True, 1, 1), tmp_path, mapped=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("mounts", "trusted"),
    [
        ("/dev/sda / ext4 rw 0 0", True),
        ("/dev/sda / ext4 rw 0 0\nhost:/x /home nfs4 rw 0 0", False),
        ("tank / zfs rw 0 0\n/dev/sdb /home/me xfs rw 0 0", True),
        ("x / fuse.sshfs rw 0 0", False),
        ("", False),
    ],
)
def test_maps_are_trusted_on_local_file_systems_only(mounts: str, trusted: bool) -> None:
    assert trusts_mmap(Path("/home/me/project"), mounts) is trusted


def test_a_folder_that_is_taken_away_while_it_is_empty_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trusts(folder: Path) -> bool:  # between the folder and its first file, an adopter clears empty folders
        folder.rmdir()
        return False

    monkeypatch.setattr("clew.tracking.segments.trusts_mmap", trusts)
    journal = Journal(tmp_path / "j", RUN, say=pytest.fail)
    journal.log({"loss": 1.0}, 0)
    assert read(journal.folder) == [("loss", 0, 1.0)]
    journal.close(delete=True)
