"""What a move has decided is done once and whole, by whoever opens the project next."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.errors import Corrupt, Unavailable
from clew.store.claim import Claim, claim, find_claim
from clew.store.objects.choose import ObjectsPlace, find_place, settle_place
from clew.store.switch import FRESH, MOVED, Switch, begin_switch, finish_switch
from clew.testing.disk import Crash, Fault, FaultyDisk

THERE = Claim(project="a", ledger="postgresql://there/db", added=True)
BUCKET = ObjectsPlace(place="s3://bucket", address="s3://bucket/projects/a")


def names(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def embedded(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for end in ("", "-wal", "-shm"):
        (folder / f"ledger.db{end}").write_bytes(b"old" + end.encode())
    return folder


def test_nothing_is_done_where_nothing_was_begun(tmp_path: Path) -> None:
    before = names(embedded(tmp_path / ".clew"))
    finish_switch(tmp_path / ".clew")
    assert names(tmp_path / ".clew") == before


def test_rows_go_to_a_database_and_bytes_to_a_bucket(tmp_path: Path) -> None:
    folder = embedded(tmp_path / ".clew")
    (folder / f"{MOVED}-wal").write_bytes(b"of an earlier move")
    begin_switch(folder, Switch(claim=THERE, place=BUCKET))
    for _ in range(2):
        finish_switch(folder)
        assert (find_claim(folder), find_place(folder)) == (THERE, BUCKET)
        found = names(folder)
        assert {name: found[name] for name in found if name.startswith("ledger")} == {
            MOVED: b"old",
            f"{MOVED}-wal": b"old-wal",
            f"{MOVED}-shm": b"old-shm",
        }
        assert "move.json" not in found


def test_both_come_home(tmp_path: Path) -> None:
    folder = tmp_path / ".clew"
    folder.mkdir()
    claim(folder, THERE)
    settle_place(folder, BUCKET)
    (folder / FRESH).write_bytes(b"new")
    begin_switch(folder, Switch(fresh=True, home=True))
    finish_switch(folder)
    assert names(folder) == {"ledger.db": b"new"}


def test_what_was_decided_and_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "move.json").write_text("{")
    with pytest.raises(Corrupt, match=r"move\.json is damaged"):
        finish_switch(tmp_path)


@pytest.mark.parametrize("steps", range(7))
def test_what_is_not_in_the_database_yet_goes_with_it_wherever_the_process_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    folder, done = embedded(tmp_path / ".clew"), []
    for end in ("", "-wal", "-shm"):
        (folder / f"{MOVED}{end}").write_bytes(b"of an earlier move")
    begin_switch(folder, Switch(claim=THERE))

    def dying(real: Callable[..., object]) -> Callable[..., object]:
        def step(path: Path, *given: object, **options: object) -> object:
            if len(done) == steps:
                raise Crash
            done.append(path)
            return real(path, *given, **options)

        return step

    with monkeypatch.context() as patched:
        for verb in ("rename", "unlink"):
            patched.setattr(Path, verb, dying(getattr(Path, verb)))
        with pytest.raises(Crash):
            finish_switch(folder)
    finish_switch(folder)
    found = names(folder)
    assert {name: found[name] for name in found if name.startswith("ledger")} == {
        MOVED: b"old",
        f"{MOVED}-wal": b"old-wal",
        f"{MOVED}-shm": b"old-shm",
    }


@settings(max_examples=40)
@given(
    at=st.integers(1, 16),
    fault=st.sampled_from([fault for fault in Fault if fault is not Fault.SLOW]),
    power=st.booleans(),
    seed=st.integers(0, 99),
)
def test_whoever_comes_next_finishes(
    tmp_path_factory: pytest.TempPathFactory, at: int, fault: Fault, power: bool, seed: int
) -> None:
    top = tmp_path_factory.mktemp("switch")
    folder = embedded(top / "home" / ".clew")
    begin_switch(folder, Switch(claim=THERE, place=BUCKET))
    with FaultyDisk(folder, at=at, fault=fault) as disk:
        with suppress(Crash, Unavailable):
            finish_switch(folder)
        if power:
            folder = disk.after_power_loss(top / "left", random.Random(seed))
    finish_switch(folder)
    found = names(folder)
    assert (find_claim(folder), find_place(folder), found[MOVED]) == (THERE, BUCKET, b"old")
    assert {"ledger.db", "move.json"}.isdisjoint(found)
