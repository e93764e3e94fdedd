"""A batch of small objects: packs of about one length, stored once, visible together."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.errors import Invalid, Unavailable
from clew.store.objects import LocalObjects
from clew.store.objects.pack import _HEAD, PackDraft


def sizes(folder: Path) -> list[int]:
    return sorted(path.stat().st_size for path in folder.rglob("*.pack"))


def test_a_pack_is_sealed_when_it_has_its_length(tmp_path: Path) -> None:
    """One byte less, and the second object goes into the same pack."""
    for pack_bytes, packs in ((_HEAD.size + 3, 2), (_HEAD.size + 4, 1)):
        folder = tmp_path / str(pack_bytes)
        objects = LocalObjects(folder, pack_bytes=pack_bytes)
        with objects.batch() as batch:
            batch.put(b"one")
            batch.put(b"two")
        assert len(sizes(folder)) == packs


def test_what_is_there_is_not_stored_again(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    loose = objects.put(b"loose")
    with objects.batch() as batch:
        assert batch.put(b"loose") == loose
        first = batch.put(b"one")
        assert batch.put(b"one") == first
    before = sizes(tmp_path)
    with objects.batch() as batch:
        assert batch.put(b"one") == first
    assert sizes(tmp_path) == before
    assert len(before) == 1


def test_a_batch_that_has_ended_takes_nothing(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    with objects.batch() as batch:
        batch.put(b"one")
    with pytest.raises(Invalid, match="has ended"):
        batch.put(b"two")


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PackDraft, "add", full)
    objects = LocalObjects(tmp_path)
    with pytest.raises(Unavailable, match="is full"), objects.batch() as batch:
        batch.put(b"one")
    assert list(tmp_path.rglob("*.tmp")) == []
