"""The disk that fails does what it says, and what it calls lost is what a machine may lose."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest

from clew.store.objects.disk import Draft, sync_folder
from clew.testing.disk import Crash, Fault, FaultyDisk


def write(path: Path, data: bytes, *, synced: bool = False, named: bool = False) -> None:
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_TRUNC)
    os.write(fd, data)
    if synced:
        os.fsync(fd)
    os.close(fd)
    if named:
        sync_folder(path.parent)


def survivors(disk: FaultyDisk, folder: Path, name: str) -> set[bytes | None]:
    """What may be left of a file."""
    found: set[bytes | None] = set()
    for seed in range(60):
        left = disk.after_power_loss(folder / f"{name}-{seed}", random.Random(seed)) / name
        found.add(left.read_bytes() if left.exists() else None)
    return found


def test_what_is_synced_with_its_folder_is_left_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "disk"
    home.mkdir()
    (home / "old").write_bytes(b"old")
    with FaultyDisk(home) as disk:
        write(home / "safe", b"a" * 9000, synced=True, named=True)
        write(home / "unnamed", b"b", synced=True)
        write(home / "loose", b"c" * 9000, named=False)
        assert survivors(disk, tmp_path, "old") == {b"old"}
        assert survivors(disk, tmp_path, "safe") == {b"a" * 9000}
        assert survivors(disk, tmp_path, "unnamed") == {None, b"b"}
        torn = survivors(disk, tmp_path, "loose")
    assert {None, b"", b"c" * 9000} < torn
    assert any(left and b"c" in left and b"\0" in left for left in torn), "pages survive one by one"


def test_a_replaced_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    home = tmp_path / "disk"
    home.mkdir()
    (home / "it").write_bytes(b"old")
    with FaultyDisk(home) as disk:
        with Draft(home) as draft:
            draft.write(b"new")
            draft.sync()
            draft.publish(home / "it")
        assert survivors(disk, tmp_path, "it") == {b"old", b"new"}
        sync_folder(home)
        left = disk.after_power_loss(tmp_path / "left", random.Random(1))
        assert (left / "it").read_bytes() == b"new"


def test_a_folder_whose_parent_was_not_synced_may_be_gone_with_all_that_is_in_it(tmp_path: Path) -> None:
    home = tmp_path / "disk"
    home.mkdir()
    with FaultyDisk(home) as disk:
        (home / "new").mkdir()
        write(home / "new" / "file", b"x", synced=True, named=True)
        assert survivors(disk, tmp_path, "new/file") == {None, b"x"}
        sync_folder(home)
        left = disk.after_power_loss(tmp_path / "left", random.Random(1))
        assert (left / "new" / "file").read_bytes() == b"x"


def test_a_later_sync_does_not_mend_one_that_failed(tmp_path: Path) -> None:
    home = tmp_path / "disk"
    home.mkdir()
    with FaultyDisk(home) as disk:
        fd = os.open(home / "it", os.O_CREAT | os.O_RDWR)
        sync_folder(home)
        os.write(fd, b"a" * 4096)
        disk.at, disk.fault = disk.count + 1, Fault.BROKEN
        with pytest.raises(OSError, match="Input/output"):
            os.fsync(fd)
        os.write(fd, b"b" * 4096)
        os.fsync(fd)
        os.close(fd)
        assert (home / "it").read_bytes() == b"a" * 4096 + b"b" * 4096
        left = disk.after_power_loss(tmp_path / "left", random.Random(1))
        assert (left / "it").read_bytes() == b"\0" * 4096 + b"b" * 4096


@pytest.mark.parametrize(
    ("fault", "number"), [(Fault.FULL, errno.ENOSPC), (Fault.BROKEN, errno.EIO), (Fault.READ_ONLY, errno.EROFS)]
)
def test_faults_are_errors_of_the_system(tmp_path: Path, fault: Fault, number: int) -> None:
    with FaultyDisk(tmp_path, at=2, fault=fault), pytest.raises(OSError, match="it") as caught:
        write(tmp_path / "it", b"x")
    assert caught.value.errno == number


def test_a_short_write_takes_a_part_and_then_there_is_no_room(tmp_path: Path) -> None:
    (tmp_path / "it").touch()
    with FaultyDisk(tmp_path, at=1, fault=Fault.SHORT):
        fd = os.open(tmp_path / "it", os.O_RDWR)
        assert os.write(fd, b"12345678") == 4
        with pytest.raises(OSError, match="No space"):
            os.write(fd, b"5678")
        os.close(fd)


@pytest.mark.parametrize(("fault", "left"), [(Fault.CRASH, b""), (Fault.CRASH_AFTER, b"x")])
def test_nothing_reaches_the_disk_behind_a_crash(tmp_path: Path, fault: Fault, left: bytes) -> None:
    with FaultyDisk(tmp_path, at=2, fault=fault):
        with pytest.raises(Crash):
            write(tmp_path / "it", b"x")
        with pytest.raises(Crash):
            (tmp_path / "it").unlink()
    assert (tmp_path / "it").read_bytes() == left
    (tmp_path / "it").unlink()
