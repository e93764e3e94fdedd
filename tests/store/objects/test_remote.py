"""Objects in buckets: the suite on three kinds of them, and what only a bucket does."""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from clew.core.contracts.objects import Objects
from clew.core.errors import Invalid, NotFound, Unavailable
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.store.objects import CachedObjects, RemoteObjects, remote
from clew.store.objects import cached as cached_module
from clew.store.objects.bucket import Bucket, Stored, is_bucket, open_bucket
from clew.testing import ManualClock
from clew.testing.objects import ObjectsContract


def damage(bucket: Bucket, digest: Digest) -> None:
    """Flip a bit of an object wherever it lies: in a pack, near the front, lies the only one of the suite."""
    for key, size, _ in list(bucket.list()):
        if key.endswith((digest, ".pack")):
            data = bytearray(bucket.read(key))
            data[20 if key.endswith(".pack") else size // 2] ^= 1
            bucket.write(key, bytes(data))


class TestObjectsInMemory(ObjectsContract):
    @pytest.fixture
    def objects(self, tmp_path: Path) -> Objects:
        return RemoteObjects(open_bucket("memory:///"), tmp_path / "local" / "kept")

    def damage(self, objects: Objects, digest: Digest) -> None:
        assert isinstance(objects, RemoteObjects)
        damage(objects.bucket, digest)


class TestObjectsOnS3(ObjectsContract):
    @pytest.fixture
    def objects(self, s3_bucket: str, tmp_path: Path) -> Objects:
        return RemoteObjects(open_bucket(s3_bucket), tmp_path / "local" / "kept", pack_bytes=1 << 20)

    def damage(self, objects: Objects, digest: Digest) -> None:
        assert isinstance(objects, RemoteObjects)
        damage(objects.bucket, digest)


class TestCachedObjects(ObjectsContract):
    @pytest.fixture
    def objects(self, tmp_path: Path) -> Objects:
        inner = RemoteObjects(open_bucket("memory:///"), tmp_path / "local" / "kept")
        return CachedObjects(inner, tmp_path / "local" / "cache", limit_bytes=8 << 20)

    def damage(self, objects: Objects, digest: Digest) -> None:
        assert isinstance(objects, CachedObjects)
        assert isinstance(objects.inner, RemoteObjects)
        damage(objects.inner.bucket, digest)


def s3_objects(address: str, folder: Path) -> RemoteObjects:
    return RemoteObjects(open_bucket(address), folder)


def test_machines_see_what_others_stored(s3_bucket: str, tmp_path: Path) -> None:
    one, two = s3_objects(s3_bucket, tmp_path / "1"), s3_objects(s3_bucket, tmp_path / "2")
    assert list(two.list()) == []
    with one.batch() as batch:
        small = batch.put(b"small")
    large = one.put(os.urandom(2 << 20))
    assert two.missing([small, large]) == set()
    assert two.get(small) == b"small"
    assert hash_bytes(two.get(large)) == large
    one.delete([small])
    assert two.missing([small, large]) == {small}


def test_what_is_there_is_not_stored_again(s3_bucket: str, tmp_path: Path) -> None:
    one, two = s3_objects(s3_bucket, tmp_path / "1"), s3_objects(s3_bucket, tmp_path / "2")
    with one.batch() as batch:
        batch.put(b"in a pack")
    one.put(b"alone")
    keys = sorted(one.bucket.list())
    with two.batch() as batch:
        batch.put(b"in a pack")
    two.put(b"in a pack")
    two.put(b"alone")
    assert sorted(one.bucket.list()) == keys


def asked_of(monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """The keys that buckets list from now on, and those that are looked for."""
    listed: list[str] = []
    sought: list[str] = []
    every, holds = Bucket.list, Bucket.holds

    def told(bucket: Bucket, prefix: str = "", *, after: str = "") -> Iterator[Stored]:
        for stored in every(bucket, prefix, after=after):
            listed.append(stored.key)
            yield stored

    monkeypatch.setattr(Bucket, "list", told)
    monkeypatch.setattr(Bucket, "holds", lambda bucket, key: sought.append(key) or holds(bucket, key))
    return listed, sought


def test_many_are_looked_up_by_listing(s3_bucket: str, tmp_path: Path) -> None:
    objects = s3_objects(s3_bucket, tmp_path)
    there = {objects.put(b"%d" % i) for i in range(5)}
    asked = there | {hash_bytes(b"no %d" % i) for i in range(100)}
    assert objects.missing(asked) == asked - there


def test_what_is_close_is_found_by_listing_what_lies_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = s3_objects("memory:///", tmp_path)
    there = sorted(objects.put(b"%d" % i) for i in range(300))
    absent = {Digest(f"{digest[:-4]}0000") for digest in there[100:200]}
    listed, sought = asked_of(monkeypatch)
    assert objects.missing({*there[100:200], *absent}) == absent - set(there)
    assert len(listed) <= 102
    assert len(sought) == 1


def test_a_long_list_is_given_up_for_looking_at_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = s3_objects("memory:///", tmp_path)
    there = sorted(objects.put(b"%d" % i) for i in range(300))
    some = {*there[::4], *(hash_bytes(b"no %d" % i) for i in range(25))}
    monkeypatch.setattr(remote, "_LISTED", 8)
    listed, sought = asked_of(monkeypatch)
    assert objects.missing(some) == some - set(there)
    assert len(listed) == 50
    assert 75 < len(sought) < 100


def test_the_layout_is_that_of_a_folder(s3_bucket: str, tmp_path: Path) -> None:
    from clew.store.objects import LocalObjects

    local = LocalObjects(tmp_path / "folder")
    alone = local.put(os.urandom(5000))
    with local.batch() as batch:
        packed = batch.put(b"packed")
    bucket = open_bucket(s3_bucket)
    for path in (tmp_path / "folder").rglob("*"):
        if path.is_file() and path.parent.name != "drafts" and path.name != "delete.lock":
            bucket.write(str(path.relative_to(tmp_path / "folder")), path)
    remote = RemoteObjects(bucket, tmp_path / "kept")
    assert set(remote.list()) == {alone, packed}
    assert hash_bytes(remote.get(alone)) == alone
    assert remote.get(packed) == b"packed"


def test_keys_that_are_no_objects_are_not_listed(s3_bucket: str, tmp_path: Path) -> None:
    objects = s3_objects(s3_bucket, tmp_path)
    digest = objects.put(b"one")
    for key in (f"loose/{digest}", f"loose/00/{digest}", "loose/zz/" + "z" * 64, f"loose/{digest[:2]}/note"):
        objects.bucket.write(key, b"foreign")
    assert list(objects.list()) == [digest]


def test_a_page_asks_a_bucket_for_what_is_behind_it(
    s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = s3_objects(s3_bucket, tmp_path)
    every = sorted(objects.put(b"%d" % i) for i in range(30))
    listed, _ = asked_of(monkeypatch)
    assert list(objects.list(after=every[26])) == every[27:]
    assert len(listed) == 3


@pytest.mark.parametrize("at", [None, 20, 60, -10])
def test_a_damaged_index_that_is_kept_here_is_fetched_again(tmp_path: Path, at: int | None) -> None:
    bucket = open_bucket("memory:///")
    with RemoteObjects(bucket, tmp_path / "other").batch() as batch:
        digest = batch.put(b"one")
    assert RemoteObjects(bucket, tmp_path / "kept").get(digest) == b"one"
    [kept] = (tmp_path / "kept" / "indices").iterdir()
    sound = kept.read_bytes()
    kept.write_bytes(b"" if at is None else sound[:at] + bytes([sound[at] ^ 1]) + sound[at:][1:])
    objects = RemoteObjects(bucket, tmp_path / "kept")
    if at != 60:  # an entry is not read when a pack is opened
        assert list(objects.list()) == [digest]
    assert objects.get(digest) == b"one"
    assert list(objects.list()) == [digest]
    assert kept.read_bytes() == sound


def test_an_address_leads_to_the_bytes_for_a_while(s3_bucket: str, tmp_path: Path) -> None:
    objects = s3_objects(s3_bucket, tmp_path)
    digest = objects.put(b"for everybody")
    address = objects.find_url(digest, valid_s=60)
    assert address is not None
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == b"for everybody"
    with objects.batch() as batch:
        packed = batch.put(b"in a pack")
    assert objects.find_url(packed) is None
    in_memory = RemoteObjects(open_bucket("memory:///"), tmp_path)
    assert in_memory.find_url(in_memory.put(b"one")) is None


def test_every_copy_is_checked(s3_bucket: str, tmp_path: Path) -> None:
    objects = s3_objects(s3_bucket, tmp_path)
    with objects.batch() as batch:
        packed = batch.put(b"packed" * 20)
    alone = objects.put(b"alone")
    assert sorted(objects.check()) == sorted([(packed, None), (alone, None)])
    damage(objects.bucket, alone)
    fresh = s3_objects(s3_bucket, tmp_path / "fresh")
    assert {digest for digest, trouble in fresh.check() if trouble} == {alone, packed}


def test_a_check_tells_of_a_damaged_index_and_goes_on(tmp_path: Path) -> None:
    objects = s3_objects("memory:///", tmp_path)
    with objects.batch() as batch:
        batch.put(b"one")
    [stored] = objects.bucket.list("packs")
    data = bytearray(objects.bucket.read(stored.key))
    data[-150] ^= 1
    objects.bucket.write(stored.key, bytes(data))
    alone = objects.put(b"alone")
    [(nothing, damaged), sound] = RemoteObjects(objects.bucket, tmp_path / "fresh").check()
    assert (nothing, sound) == ("", (alone, None))
    assert damaged is not None


def test_a_bucket_that_is_not_there_is_told(s3_bucket: str, tmp_path: Path) -> None:
    objects = s3_objects("s3://no-such-bucket/x", tmp_path)
    with pytest.raises(Unavailable, match="no-such-bucket"):
        objects.put(b"one")


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(Invalid, match="cannot be opened"):
        open_bucket("s3://")
    assert is_bucket("gs://bucket")
    assert not is_bucket("/mnt/bucket")
    assert not is_bucket("file:///mnt/bucket")
    with pytest.raises(Invalid, match="cannot be opened"):
        open_bucket("s3://[bucket")
    assert is_bucket("s3://[bucket")


def test_a_damaged_index_is_fetched_again(s3_bucket: str, tmp_path: Path) -> None:
    with s3_objects(s3_bucket, tmp_path).batch() as batch:
        digest = batch.put(b"one")
    assert s3_objects(s3_bucket, tmp_path).get(digest) == b"one"
    (index,) = tmp_path.rglob("*.index")
    index.chmod(0o644)
    index.write_bytes(b"x" * index.stat().st_size)
    objects = s3_objects(s3_bucket, tmp_path)
    objects.packs.refresh()
    assert objects.get(digest) == b"one"


def cached(tmp_path: Path, limit_bytes: int) -> CachedObjects:
    inner = RemoteObjects(open_bucket("memory:///"), tmp_path / "local")
    return CachedObjects(inner, tmp_path / "cache", limit_bytes=limit_bytes)


def kept(objects: CachedObjects) -> int:
    return sum(path.stat().st_size for path in objects.folder.rglob("*") if path.is_file())


def test_the_cache_keeps_to_its_limit(tmp_path: Path) -> None:
    objects = cached(tmp_path, 20_000)
    digests = [objects.put(os.urandom(3_000)) for _ in range(20)]
    for _ in range(2):
        assert all(hash_bytes(objects.get(digest)) == digest for digest in digests)
        assert 0 < kept(objects) <= 20_000


def test_a_cache_full_of_what_is_spared_is_not_looked_through_for_each_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_module, "_WHOLE_BYTES", 1000)
    objects = cached(tmp_path, 20_000)
    looks: list[int] = []
    files = objects._files
    monkeypatch.setattr(objects, "_files", lambda: looks.append(1) or files())
    for _ in range(100):
        assert objects.find_path(objects.put(os.urandom(1000))) is not None
    assert kept(objects) == 100_000, "paths that were given are spared"
    assert len(looks) <= 21


def test_what_was_used_before_the_clock_went_back_makes_room_an_hour_later(tmp_path: Path) -> None:
    clock = ManualClock(time.time_ns() // 1000)
    inner = RemoteObjects(open_bucket("memory:///"), tmp_path / "local")
    objects = CachedObjects(inner, tmp_path / "cache", limit_bytes=4 << 20, clock=clock)
    for digest in [objects.put(os.urandom(1 << 20)) for _ in range(8)]:
        path = objects.find_path(digest)
        assert path is not None
        os.utime(path, ns=(0, (clock.us + 10**14) * 1000))
    assert kept(objects) == 8 << 20, "paths that were given are spared"
    objects.get(objects.put(os.urandom(1 << 20)))
    assert kept(objects) == 9 << 20
    clock.advance(2 * 3600 * 1_000_000)
    objects.get(objects.put(os.urandom(1 << 20)))
    assert kept(objects) <= 4 << 20


def test_what_the_cache_keeps_is_read_without_the_bucket(tmp_path: Path) -> None:
    objects = cached(tmp_path, 1 << 30)
    small, large = objects.put(b"small"), objects.put(os.urandom(2 << 20))
    objects.get(small)
    path = objects.find_path(large)
    assert path is not None
    assert hash_bytes(path.read_bytes()) == large
    objects.inner.delete([small, large])
    assert objects.get(small) == b"small"
    with objects.open(large) as file:
        assert hash_bytes(file.read()) == large
    objects.save(large, tmp_path / "saved")
    assert hash_bytes((tmp_path / "saved").read_bytes()) == large


def test_what_another_process_made_room_of_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = cached(tmp_path, 1 << 30)
    digest = objects.put(b"sound")
    monkeypatch.setattr(objects, "_held", lambda _: tmp_path / "cache" / "gone")
    objects.save(digest, tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == b"sound"
    with objects.open(digest) as file:
        assert file.read() == b"sound"


def test_damage_in_the_cache_is_mended_from_the_bucket(tmp_path: Path) -> None:
    objects = cached(tmp_path, 1 << 30)
    digest = objects.put(b"sound")
    objects.get(digest)
    (file,) = (path for path in objects.folder.rglob("*") if path.is_file())
    file.chmod(0o644)
    file.write_bytes(b"saund")
    assert objects.get(digest) == b"sound"
    assert file.read_bytes() == b"sound"
    objects.inner.delete([digest])
    file.chmod(0o644)
    file.write_bytes(b"saund")
    with pytest.raises(NotFound):
        objects.get(digest)


def test_what_an_earlier_process_kept_counts(tmp_path: Path) -> None:
    inner = RemoteObjects(open_bucket("memory:///"), tmp_path / "local")
    before = CachedObjects(inner, tmp_path / "cache", limit_bytes=1 << 30)
    for _ in range(10):
        before.get(before.put(os.urandom(3_000)))
    objects = CachedObjects(inner, tmp_path / "cache", limit_bytes=20_000)
    objects.get(objects.put(os.urandom(3_000)))
    assert kept(objects) <= 20_000
