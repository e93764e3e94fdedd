"""Objects are set aside, come back and go for good, and at no moment is one that is wanted out of reach."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.errors import NotFound, Unavailable
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.store.objects.collect import expire, old_enough, set_aside, take_back
from clew.store.objects.local import LocalObjects
from clew.testing.disk import Fault, FaultyDisk

DRAW = random.Random(0)
LOOSE = [b"loose %d" % at * 20 for at in range(4)]
PACKED = [DRAW.randbytes(700) for _ in range(12)]
ALL = {hash_bytes(data): data for data in [*LOOSE, *PACKED]}
FAR_US = 1 << 61


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjects:
    return filled(tmp_path / "objects")


def filled(folder: Path) -> LocalObjects:
    """Loose objects, and two packs."""
    objects = LocalObjects(folder, pack_bytes=4000)
    for data in LOOSE:
        objects.put(data)
    with objects.batch() as batch:
        for data in PACKED:
            batch.put(data)
    assert len(list((folder / "packs").glob("*.pack"))) > 1
    return objects


def aside(objects: LocalObjects) -> set[Digest]:
    return {digest for each in objects.quarantine.generations() for digest in each.list()}


def test_what_is_set_aside_is_read_and_not_listed(objects: LocalObjects) -> None:
    gone = {hash_bytes(LOOSE[0]), hash_bytes(PACKED[0]), hash_bytes(PACKED[1])}
    found = set_aside(objects, gone, now_us=5)
    assert found.objects == 3
    assert found.size_bytes >= 1400 + len(LOOSE[0]) // 10
    assert aside(objects) == gone
    other = LocalObjects(objects.folder)
    for store in (objects, other):
        assert set(store.list()) == set(ALL) - gone
        assert store.missing(gone) == gone
        assert all(store.get(digest) == ALL[digest] for digest in ALL)
    assert set_aside(objects, [], now_us=6) == (0, 0)
    assert len(objects.quarantine.generations()) == 1


def test_what_is_put_again_is_stored_again(objects: LocalObjects) -> None:
    digest = hash_bytes(LOOSE[0])
    set_aside(objects, [digest], now_us=5)
    objects.put(LOOSE[0])
    assert digest in set(objects.list())
    assert take_back(objects, [digest]) == 0
    assert expire(objects, until_us=6) > 0
    assert objects.get(digest) == LOOSE[0]


def test_whole_packs_and_parts_of_them(objects: LocalObjects) -> None:
    first = next(iter(objects.packs.all()))
    whole = {Digest(entry.digest.hex()) for entry in first.entries()}
    set_aside(objects, whole, now_us=1)
    assert not Path(first.path).exists()
    [generation] = objects.quarantine.generations()
    assert [path.name for path in (generation.folder / "packs").glob("*.pack")] == [Path(first.path).name]
    assert take_back(objects, ALL) == len(whole)
    assert set(objects.list()) == set(ALL)


def test_what_stays_of_a_pack_is_as_old_as_it_was(objects: LocalObjects) -> None:
    for path in [*objects.folder.rglob("*.pack"), *(objects.folder / "loose").rglob("*")]:
        os.utime(path, ns=(1_000_000_000, 1_000_000_000))
    gone = hash_bytes(PACKED[0])
    set_aside(objects, [gone], now_us=1)
    rest = set(ALL) - {gone}
    assert set(old_enough(objects, set(ALL), until_us=1_000_001)) == rest
    assert old_enough(objects, rest, until_us=1_000_000) == {}


def test_an_object_is_as_young_as_its_youngest_copy(objects: LocalObjects) -> None:
    for path in (objects.folder / "packs").glob("*.pack"):
        os.utime(path, ns=(0, 0))
    digest = hash_bytes(PACKED[0])
    assert set(old_enough(objects, {digest}, until_us=1)) == {digest}
    sizes = old_enough(objects, {digest, hash_bytes(LOOSE[0])}, until_us=FAR_US)
    assert sizes[digest] >= 700
    assert set(sizes) == {digest, hash_bytes(LOOSE[0])}
    assert old_enough(objects, {Digest("0" * 64)}, until_us=FAR_US) == {}


def test_generations_go_when_their_time_is_over(objects: LocalObjects) -> None:
    one, two, three = (hash_bytes(data) for data in (LOOSE[0], PACKED[0], LOOSE[1]))
    set_aside(objects, [one], now_us=100)
    set_aside(objects, [two], now_us=50)
    set_aside(objects, [three], now_us=200)
    assert [each.since_us for each in objects.quarantine.generations()] == [100, 101, 200], (
        "in the order of collections"
    )
    assert expire(objects, until_us=100) == 0
    assert expire(objects, until_us=101) > 0
    assert aside(objects) == {two, three}
    with pytest.raises(NotFound):
        LocalObjects(objects.folder).get(one)
    assert expire(objects, until_us=FAR_US) > 0
    assert aside(objects) == set()


def test_a_deletion_that_was_killed_is_finished(objects: LocalObjects) -> None:
    set_aside(objects, [hash_bytes(LOOSE[0])], now_us=100)
    [generation] = objects.quarantine.generations()
    generation.folder.rename(generation.folder.with_name("0000000000000100.gone"))
    assert objects.quarantine.generations() == []
    expire(objects, until_us=0)
    assert list((objects.folder / "quarantine").iterdir()) == []


@settings(max_examples=30)
@given(
    at=st.integers(1, 60),
    fault=st.sampled_from([Fault.BROKEN, Fault.FULL, Fault.READ_ONLY]),
    picked=st.sets(st.sampled_from(sorted(ALL)), min_size=1),
)
def test_a_collection_that_fails_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, at: int, fault: Fault, picked: set[Digest]
) -> None:
    objects = filled(tmp_path_factory.mktemp("collect") / "objects")
    with FaultyDisk(objects.folder, at=at, fault=fault), suppress(Unavailable):
        set_aside(objects, picked, now_us=1)
    after = LocalObjects(objects.folder)
    assert all(after.get(digest) == data for digest, data in ALL.items())
    set_aside(after, picked, now_us=2)
    assert set(after.list()) == set(ALL) - picked
    assert take_back(after, ALL) == len(picked)
    assert set(after.list()) == set(ALL)
