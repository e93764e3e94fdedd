"""Objects are set aside, come back and go for good, in a folder and in a bucket; what is wanted is always in reach."""

from __future__ import annotations

import fcntl
import os
import random
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.contracts.objects import Objects
from clew.core.errors import Invalid, NotFound, Unavailable
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.store.objects import CachedObjects, MemoryObjects, RemoteObjects, local_collection
from clew.store.objects.bucket import Bucket, Stored, open_bucket
from clew.store.objects.collection import Collection, collection_of
from clew.store.objects.local import LocalObjects
from clew.store.objects.packs import Packs
from clew.testing.disk import Fault, FaultyDisk

DRAW = random.Random(0)
LOOSE = [b"loose %d" % at * 20 for at in range(4)]
PACKED = [DRAW.randbytes(700) for _ in range(12)]
ALL = {hash_bytes(data): data for data in [*LOOSE, *PACKED]}
FAR_US = 1 << 61

Open = Callable[[], Objects]
"""The same store as another process sees it."""


def fill(objects: Objects) -> None:
    """Loose objects, and several packs."""
    for data in LOOSE:
        objects.put(data)
    with objects.batch() as batch:
        for data in PACKED:
            batch.put(data)


@pytest.fixture(params=["folder", "bucket", "cached bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    bucket = open_bucket("memory:///")

    def opened() -> Objects:
        if request.param == "folder":
            return LocalObjects(tmp_path / "objects", pack_bytes=4000)
        remote = RemoteObjects(bucket, tmp_path / "local", pack_bytes=4000)
        return remote if request.param == "bucket" else CachedObjects(remote, tmp_path / "cache", limit_bytes=1 << 20)

    fill(opened())
    return opened


def collector(store: Open) -> Collection:
    return collection_of(store())


def test_what_is_set_aside_is_read_and_not_listed(store: Open) -> None:
    gone = {hash_bytes(LOOSE[0]), hash_bytes(PACKED[0]), hash_bytes(PACKED[1])}
    collection = collector(store)
    assert collection.waiting_bytes() == 0
    collection.set_aside(gone, now_us=5)
    for one in (collection, collector(store)):
        assert (one.stored(), one.aside(), one.missing(ALL)) == (set(ALL) - gone, gone, gone)
        assert all(one.get(digest) == ALL[digest] for digest in ALL)
        assert one.waiting_bytes() >= 1400
    collection.set_aside([], now_us=6)
    assert collection.expire(until_us=FAR_US) > 0
    assert (collection.aside(), collection.waiting_bytes()) == (set(), 0)


def test_what_is_put_again_is_stored_again(store: Open) -> None:
    digest = hash_bytes(LOOSE[0])
    collection = collector(store)
    collection.set_aside([digest], now_us=5)
    store().put(LOOSE[0])
    assert digest in collector(store).stored()
    collection.take_back([digest])
    assert collection.expire(until_us=6) > 0
    assert store().get(digest) == LOOSE[0]


def test_all_of_it_comes_back(store: Open) -> None:
    collector(store).set_aside(ALL, now_us=1)
    assert collector(store).stored() == set()
    collector(store).take_back(ALL)
    assert collector(store).stored() == set(ALL)
    assert all(store().get(digest) == data for digest, data in ALL.items())


def test_what_was_written_lately_is_young(store: Open) -> None:
    collection = collector(store)
    some = {hash_bytes(PACKED[0]), hash_bytes(LOOSE[0])}
    sizes = collection.old_enough({*some, Digest("0" * 64)}, until_us=FAR_US)
    assert set(sizes) == some
    assert sizes[hash_bytes(PACKED[0])] >= 700
    assert collection.old_enough(some, until_us=1) == {}


def test_generations_go_when_their_time_is_over(store: Open) -> None:
    one, two, three = (hash_bytes(data) for data in (LOOSE[0], PACKED[0], LOOSE[1]))
    collection = collector(store)
    for digest, now_us in ((one, 100), (two, 50), (three, 200)):
        collection.set_aside([digest], now_us=now_us)
    assert collection.expire(until_us=50) == 0
    freed = [collection.expire(until_us=until_us) > 0 for until_us in (101, 201)]
    assert freed == [True, True]
    assert collection.aside() == set()
    for digest in (one, two, three):
        with pytest.raises(NotFound):
            inner(store()).get(digest)


def inner(objects: Objects) -> Objects:
    return objects.inner if isinstance(objects, CachedObjects) else objects


def test_what_another_collector_deletes_meanwhile_is_not_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = open_bucket("memory:///")
    one, two = (RemoteObjects(bucket, tmp_path / name, pack_bytes=4000) for name in "12")
    fill(one)
    gone = {hash_bytes(PACKED[0]), hash_bytes(PACKED[1])}
    collection_of(one).set_aside(gone, now_us=5)
    names = Packs.names

    def deleted_meanwhile(packs: Packs) -> set[Digest]:
        found = names(packs)
        monkeypatch.setattr(Packs, "names", names)
        assert collection_of(two).expire(until_us=FAR_US) > 0
        return found

    monkeypatch.setattr(Packs, "names", deleted_meanwhile)
    collection_of(one).take_back(gone)
    assert collection_of(one).missing(ALL) == gone


def test_a_pack_that_has_just_come_to_a_bucket_is_young(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = open_bucket("memory:///")
    one, two = (RemoteObjects(bucket, tmp_path / name, pack_bytes=4000) for name in "12")
    some = {one.put(data): data for data in LOOSE}
    every = Bucket.list

    def packed_meanwhile(listed: Bucket, prefix: str = "", *, after: str = "") -> Iterator[Stored]:
        found = list(every(listed, prefix, after=after))
        monkeypatch.setattr(Bucket, "list", every)
        with two.batch() as batch:
            batch.put(LOOSE[0])
        yield from found

    monkeypatch.setattr(Bucket, "list", packed_meanwhile)
    old = collection_of(one).old_enough(set(some), until_us=FAR_US)
    assert set(old) == set(some) - {hash_bytes(LOOSE[0])}


def test_only_a_folder_and_a_bucket_are_collected() -> None:
    with pytest.raises(Invalid):
        collection_of(MemoryObjects())


@pytest.fixture
def folder(tmp_path: Path) -> LocalObjects:
    objects = LocalObjects(tmp_path / "objects", pack_bytes=4000)
    fill(objects)
    return objects


def test_each_generation_has_a_time_of_its_own(folder: LocalObjects) -> None:
    collection = collection_of(folder)
    for data, now_us in ((LOOSE[0], 100), (PACKED[0], 50), (LOOSE[1], 100), (LOOSE[2], -5)):
        collection.set_aside([hash_bytes(data)], now_us=now_us)
    assert [each.since_us for each in folder.quarantine.generations()] == [1, 50, 100, 101]
    collection.expire(until_us=101)
    assert collection.aside() == {hash_bytes(LOOSE[1])}


def test_what_is_set_aside_behind_a_clock_that_was_ahead_goes_in_its_time(store: Open) -> None:
    ahead, later = hash_bytes(LOOSE[0]), hash_bytes(PACKED[0])
    collection = collector(store)
    collection.set_aside([ahead], now_us=FAR_US)
    collection.set_aside([later], now_us=100)
    assert collection.expire(until_us=101) > 0
    assert collection.aside() == {ahead}


def test_nobody_moves_what_a_collection_looks_at(folder: LocalObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, written_us = [], local_collection._written_us

    def looks(path: str) -> int:
        with (folder.folder / "delete.lock").open("w") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        looked.append(path)
        return written_us(path)

    monkeypatch.setattr(local_collection, "_written_us", looks)
    assert set(collection_of(folder).old_enough(set(ALL), until_us=FAR_US)) == set(ALL)
    assert len(looked) > len(LOOSE)


def test_a_generation_may_go_while_it_is_measured(folder: LocalObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    collection_of(folder).set_aside(ALL, now_us=1)
    [generation] = folder.quarantine.generations()
    whole, looked, look = generation.size_bytes(), [], os.stat

    def gone(path: str, **named: Any) -> os.stat_result:
        found = look(path, **named)
        looked.extend([path] if stat.S_ISREG(found.st_mode) else [])
        if len(looked) == 2:
            monkeypatch.setattr(os, "stat", look)
            generation.remove()
        return look(path, **named)

    monkeypatch.setattr(os, "stat", gone)
    assert 0 < generation.size_bytes() < whole


def test_a_pack_that_is_all_garbage_is_moved_as_it_is(folder: LocalObjects) -> None:
    first = next(iter(folder.packs.all()))
    whole = {Digest(entry.digest.hex()) for entry in first.entries()}
    collection_of(folder).set_aside(whole, now_us=1)
    assert not Path(first.path).exists()
    [generation] = folder.quarantine.generations()
    assert [path.name for path in (generation.folder / "packs").glob("*.pack")] == [Path(first.path).name]


def test_what_stays_of_a_pack_is_as_old_as_it_was(folder: LocalObjects) -> None:
    for path in [*folder.folder.rglob("*.pack"), *(folder.folder / "loose").rglob("*")]:
        os.utime(path, ns=(1_000_000_000, 1_000_000_000))
    gone, collection = hash_bytes(PACKED[0]), collection_of(folder)
    collection.set_aside([gone], now_us=1)
    rest = set(ALL) - {gone}
    assert set(collection.old_enough(set(ALL), until_us=1_000_001)) == rest
    assert collection.old_enough(rest, until_us=1_000_000) == {}


def test_an_object_is_as_young_as_its_youngest_copy(folder: LocalObjects) -> None:
    digest, collection = hash_bytes(LOOSE[0]), collection_of(folder)
    for path in (folder.folder / "loose").rglob("*"):
        os.utime(path, ns=(0, 0))
    assert set(collection.old_enough({digest}, until_us=1)) == {digest}
    other = LocalObjects(folder.folder.parent / "other")
    with other.batch() as batch:
        batch.put(LOOSE[0])
    [pack] = (other.folder / "packs").glob("*.pack")
    pack.rename(folder.folder / "packs" / pack.name)
    assert collection.old_enough({digest}, until_us=1) == {}


def test_a_deletion_that_was_killed_is_finished(folder: LocalObjects) -> None:
    collection = collection_of(folder)
    collection.set_aside([hash_bytes(LOOSE[0])], now_us=100)
    [generation] = folder.quarantine.generations()
    generation.folder.rename(generation.folder.with_name("0000000000000100.gone"))
    assert folder.quarantine.generations() == []
    collection.expire(until_us=0)
    assert list((folder.folder / "quarantine").iterdir()) == []


@settings(max_examples=30)
@given(
    at=st.integers(1, 60),
    fault=st.sampled_from([Fault.BROKEN, Fault.FULL, Fault.READ_ONLY]),
    picked=st.sets(st.sampled_from(sorted(ALL)), min_size=1),
)
def test_a_collection_that_fails_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, at: int, fault: Fault, picked: set[Digest]
) -> None:
    objects = LocalObjects(tmp_path_factory.mktemp("collect") / "objects", pack_bytes=4000)
    fill(objects)
    with FaultyDisk(objects.folder, at=at, fault=fault), suppress(Unavailable):
        collection_of(objects).set_aside(picked, now_us=1)
    after = collection_of(LocalObjects(objects.folder))
    assert all(after.get(digest) == data for digest, data in ALL.items())
    after.set_aside(picked, now_us=2)
    assert after.stored() == set(ALL) - picked
    after.take_back(ALL)
    assert after.stored() == set(ALL)
