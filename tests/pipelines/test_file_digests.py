"""The content of files is remembered by their stat, and never trusted when they changed just before."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from clew.core.hashing import hash_bytes
from clew.pipelines import file_digests
from clew.pipelines.file_digests import digest_of_file, digest_of_glob, digest_of_listing, presence


@pytest.mark.parametrize(("age_s", "remembered"), [(0, False), (1, False), (60, True)])
def test_a_digest_is_remembered_only_of_a_file_that_was_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_s: int, remembered: bool
) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    now_ns = time.time_ns()
    at = now_ns - age_s * 1_000_000_000
    monkeypatch.setattr(file_digests, "stamp", lambda _: (at, at, 1, 1, 1))
    monkeypatch.setattr(time, "time_ns", lambda: now_ns)
    before = digest_of_file(str(path))
    path.write_text("2")
    assert (digest_of_file(str(path)) == before) is remembered


def test_a_change_of_the_stat_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    os.utime(path, (1, 1))
    assert digest_of_file(str(path)) == hash_bytes(b"1")
    path.write_text("2")
    os.utime(path, (1, 1))
    assert digest_of_file(str(path)) == hash_bytes(b"2")


def test_what_is_not_there_has_a_digest_too(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    assert digest_of_file(gone) == digest_of_listing(gone) == presence(gone) == "missing"
    assert digest_of_file("a\0b") == "missing"


def test_a_folder_is_what_lies_below_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("1")
    seen = {digest_of_file(str(tmp_path))}
    (tmp_path / "a" / "b").write_text("2")
    seen.add(digest_of_file(str(tmp_path)))
    (tmp_path / "a" / "b").rename(tmp_path / "a" / "c")
    seen.add(digest_of_file(str(tmp_path)))
    assert len(seen) == 3


def test_an_empty_file_has_the_digest_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert digest_of_file(str(tmp_path / "a")) == hash_bytes(b"")


def test_a_pattern_is_names_and_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seen = {digest_of_glob("*.txt")}
    for name, text in (("a.txt", "1"), ("a.txt", "2"), ("b.txt", "1")):
        (tmp_path / name).write_text(text)
        seen.add(digest_of_glob("*.txt"))
    (tmp_path / "c.csv").write_text("1")
    seen.add(digest_of_glob("*.txt"))
    assert len(seen) == 4
