"""Drafts: whole or not there, and swept when their writers are gone."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

import pytest

from clew.core.errors import Unavailable
from clew.store.objects import disk
from clew.store.objects.disk import Draft, disk_errors, locked, remove_abandoned, sweep_drafts, unavailable


def drafts_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if disk.DRAFT_NAME.fullmatch(path.name)]


def test_a_draft_becomes_a_file_or_nothing(tmp_path: Path) -> None:
    with Draft(tmp_path) as draft:
        draft.write(b"one ")
        draft.write(memoryview(b"two"))
        draft.sync()
        assert not (tmp_path / "file").exists()
        draft.publish(tmp_path / "file")
    draft.close()
    assert (tmp_path / "file").read_bytes() == b"one two"
    with Draft(tmp_path) as dropped:
        dropped.write(b"three")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    dropped.close()


def test_a_draft_starts_anew(tmp_path: Path) -> None:
    with Draft(tmp_path) as draft:
        draft.restart()
        draft.write(b"a long beginning")
        draft.restart()
        draft.write(b"short")
        draft.publish(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"short"


def test_short_writes_are_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:3])))
    with Draft(tmp_path) as draft:
        draft.write(b"0123456789")
        draft.publish(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_a_draft_that_cannot_be_removed_is_left_for_the_sweep(tmp_path: Path) -> None:
    draft = Draft(tmp_path)
    Path(draft.path).unlink()
    draft.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reflinks are asked for on Linux only")
@pytest.mark.parametrize("code", [0, errno.EOPNOTSUPP, errno.EXDEV])
def test_blocks_are_shared_where_the_file_system_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    asked: list[int] = []

    def ioctl(fd: int, request: int, source: int) -> None:
        asked.append(request)
        if code:
            raise OSError(code, "no")

    monkeypatch.setattr(disk.fcntl, "ioctl", ioctl)
    (tmp_path / "source").write_bytes(b"x")
    with Draft(tmp_path) as draft, (tmp_path / "source").open("rb") as source:
        assert draft.clone(source) == (code == 0)
    assert asked == [0x40049409]


@pytest.mark.skipif(sys.platform != "linux", reason="reflinks are asked for on Linux only")
def test_a_broken_disk_is_no_missing_reflink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ioctl(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(disk.fcntl, "ioctl", ioctl)
    with Draft(tmp_path) as draft, Path(__file__).open("rb") as source, pytest.raises(OSError, match="broken"):
        draft.clone(source)


def test_other_systems_do_not_share_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with Draft(tmp_path) as draft, Path(__file__).open("rb") as source:
        assert not draft.clone(source)


def test_a_sweep_takes_old_drafts_of_writers_that_are_gone(tmp_path: Path) -> None:
    now_us = time.time_ns() // 1000
    living = Draft(tmp_path)
    for name, age_s in (("old", 100), ("young", 10), ("of just the age", 50)):
        path = tmp_path / f".clew-{len(drafts_in(tmp_path)):016x}.tmp"
        path.write_text(name)
        os.utime(path, ns=((now_us - age_s * 1_000_000) * 1000,) * 2)
    os.utime(living.path, ns=(0, 0))
    (tmp_path / "file").write_text("no draft")
    os.utime(tmp_path / "file", ns=(0, 0))
    assert sweep_drafts(tmp_path, now_us=now_us, older_than_us=50_000_000) == 2
    assert sorted(path.read_text() for path in drafts_in(tmp_path)) == ["", "young"]
    assert (tmp_path / "file").exists()
    living.close()
    assert not remove_abandoned(tmp_path / "missing")


def test_a_draft_that_vanishes_during_a_sweep_has_no_age(tmp_path: Path) -> None:
    assert disk._age_us(tmp_path / "missing", 10**18) == 0


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with locked(tmp_path / "lock"):
        assert not remove_abandoned(tmp_path / "lock")
    assert remove_abandoned(tmp_path / "lock")


@pytest.mark.parametrize(
    ("error", "says", "hint"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk or quota is full", "free some space"),
        (OSError(errno.EDQUOT, "Quota"), "the disk or quota is full", "free some space"),
        (OSError("No space left on device (os error 28)"), "the disk or quota is full", "free some space"),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied", "check the disk"),
        (OSError("odd"), "odd", "check the disk"),
    ],
)
def test_a_disk_that_refuses_says_what_to_do(error: OSError, says: str, hint: str) -> None:
    told = unavailable("write a pack", error)
    assert told.what == f"could not write a pack: {says}"
    assert hint in told.hint
    with pytest.raises(Unavailable), disk_errors("write a pack"):
        raise error
