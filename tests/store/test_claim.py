"""A folder belongs to one project, also when two processes claim it at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clew.core.errors import Corrupt, Unavailable
from clew.store.claim import Claim, claim, find_claim, settle

MINE = Claim(project="a", ledger="postgresql://here/db")


def test_the_first_claim_stays(tmp_path: Path) -> None:
    assert find_claim(tmp_path) is None
    assert claim(tmp_path, MINE) == MINE == find_claim(tmp_path)
    assert claim(tmp_path, Claim(project="b", ledger="elsewhere")) == MINE
    assert [path.name for path in tmp_path.iterdir()] == ["project.json"]


def test_what_the_ledger_holds_is_noted(tmp_path: Path) -> None:
    claim(tmp_path, MINE)
    settle(tmp_path, Claim(project="a", ledger="postgresql://here/db", added=True))
    found = find_claim(tmp_path)
    assert found is not None
    assert (found.project, found.added) == ("a", True)


def test_of_two_at_once_one_is_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Claim(project="b", ledger="elsewhere")
    link = os.link

    def slow(source: str, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        claim(tmp_path, other)
        link(source, target)

    monkeypatch.setattr(os, "link", slow)
    assert claim(tmp_path, MINE) == other
    assert find_claim(tmp_path) == other


def test_a_damaged_claim_is_told(tmp_path: Path) -> None:
    (tmp_path / "project.json").write_text("{")
    with pytest.raises(Corrupt, match=r"project\.json is damaged"):
        find_claim(tmp_path)


def test_a_disk_that_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(Unavailable, match="is full"):
        claim(tmp_path, MINE)
    assert list(tmp_path.iterdir()) == []
