from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.core.errors import Conflict, Corrupt, NotFound, Unavailable
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.store.objects import LocalObjects
from clew.store.objects.disk import Draft
from clew.store.objects.loose import LooseObject
from clew.testing import ManualClock
from clew.testing.objects import ObjectsContract

NOISE = os.urandom(3 << 20)


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << (at % 8)
    rewrite(path, bytes(data))


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


class TestLocalObjects(ObjectsContract):
    @pytest.fixture
    def objects(self, tmp_path: Path) -> LocalObjects:
        return LocalObjects(tmp_path / "store")

    def damage(self, objects: LocalObjects, digest: Digest) -> None:
        loose = list(objects.loose.find(digest))
        for found in loose:
            flip(Path(found.file), -20)
        for packed in objects.packs.find(bytes.fromhex(digest)):
            flip(Path(packed.pack.path), packed.entry.offset + packed.entry.stored // 2)


class TestLocalObjectsOfManyPacks(TestLocalObjects):
    @pytest.fixture
    def objects(self, tmp_path: Path) -> LocalObjects:
        return LocalObjects(tmp_path / "store", pack_bytes=40)


def test_text_is_compressed_and_noise_is_not(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "store")
    text = b"the same words again and again\n" * 100_000
    noise, words = objects.put(NOISE), objects.put(text)
    path = objects.find_path(noise)
    assert path is not None
    assert path.read_bytes() == NOISE
    assert stat.S_IMODE(path.stat().st_mode) & 0o222 == 0
    assert objects.find_path(words) is None
    with objects.batch() as batch:
        batch.put(b"words " * 1000)
    assert sum(path.stat().st_size for path in files_of(tmp_path)) < len(NOISE) + 3000
    (compressed,) = (tmp_path / "store").rglob("*.zst")
    check = subprocess.run([sys.executable, "-c", UNZSTD, str(compressed)], stdout=subprocess.PIPE, check=True)
    assert check.stdout == text


UNZSTD = """
import sys, zstandard
with open(sys.argv[1], "rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as r:
    sys.stdout.buffer.write(r.read())
"""


def test_a_compressed_object_can_be_read_from_the_middle(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "store")
    text = b"".join(b"%d\n" % i for i in range(700_000))
    with objects.open(objects.put(text)) as file:
        for at in (len(text) - 5, 0, 1 << 20, (1 << 20) - 3, 3 << 20, 17):
            file.seek(at)
            assert file.read(100) == text[at : at + 100]


def test_another_process_finds_what_this_one_stored(tmp_path: Path) -> None:
    mine, other = LocalObjects(tmp_path / "store"), LocalObjects(tmp_path / "store")
    assert list(other.list()) == []
    with pytest.raises(NotFound):
        other.get(hash_bytes(b"new"))
    with mine.batch() as batch:
        digest = batch.put(b"new")
    assert other.get(digest) == b"new"
    assert other.missing([digest]) == set()


def test_a_reader_follows_a_pack_that_was_rewritten(tmp_path: Path) -> None:
    mine, other = LocalObjects(tmp_path / "store"), LocalObjects(tmp_path / "store")
    with mine.batch() as batch:
        digests = [batch.put(b"%d" % i) for i in range(10)]
    assert other.get(digests[0]) == b"0"
    mine.delete([digests[0], digests[1]])
    other.packs.place.forget(other.packs.all()[0].path)
    assert other.get(digests[5]) == b"5"
    with pytest.raises(NotFound):
        other.get(digests[0])


def test_what_was_deleted_elsewhere_is_stored_again(tmp_path: Path) -> None:
    mine, other = LocalObjects(tmp_path / "store"), LocalObjects(tmp_path / "store")
    with mine.batch() as batch:
        digest = batch.put(b"gone and back")
    assert other.get(digest) == b"gone and back"
    mine.delete([digest])
    other.put(b"gone and back")
    assert LocalObjects(tmp_path / "store").get(digest) == b"gone and back"


def test_packs_alone_rebuild_the_store(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "store", pack_bytes=100)
    with objects.batch() as batch:
        digests = [batch.put(b"%d" % i * 10) for i in range(50)]
    packs = list((tmp_path / "store" / "packs").iterdir())
    assert len(packs) > 3
    (tmp_path / "new" / "packs").mkdir(parents=True)
    for pack in packs:
        pack.rename(tmp_path / "new" / "packs" / pack.name)
    assert set(LocalObjects(tmp_path / "new").list()) == set(digests)


def test_one_sound_copy_is_enough(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "store")
    with objects.batch() as batch:
        digest = batch.put(b"z" * 300)
    (pack,) = (tmp_path / "store" / "packs").iterdir()
    flip(pack, 25)
    with pytest.raises(Corrupt):
        objects.get(digest)
    with Draft(tmp_path / "store" / "drafts") as draft:
        draft.write(b"z" * 300)
        objects.loose.publish(draft, digest, compressed=False)
    assert objects.get(digest) == b"z" * 300


def test_putting_again_mends_a_damaged_loose_object(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "store")
    digest = objects.put(NOISE)
    (file,) = (tmp_path / "store" / "loose").rglob(f"{digest}*")
    rewrite(file, NOISE[:1000])
    with pytest.raises(Corrupt):
        objects.get(digest)
    assert objects.put(NOISE) == digest
    assert objects.get(digest) == NOISE


def test_a_put_that_finds_damage_takes_nothing_from_who_mended_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = LocalObjects(tmp_path / "store"), LocalObjects(tmp_path / "store")
    digest = mine.put(NOISE)
    (file,) = (tmp_path / "store" / "loose").rglob(digest)
    rewrite(file, NOISE[:1000])
    verify = LooseObject.verify

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    def mended_meanwhile(found: LooseObject) -> None:
        monkeypatch.setattr(LooseObject, "verify", verify)
        with pytest.raises(Corrupt):
            found.verify()
        assert other.put(NOISE) == digest
        monkeypatch.setattr(Draft, "write", full)
        raise Corrupt("it was damaged")

    monkeypatch.setattr(LooseObject, "verify", mended_meanwhile)
    with pytest.raises(Unavailable):
        mine.put(NOISE)
    assert LocalObjects(tmp_path / "store").get(digest) == NOISE


def test_a_batch_stores_again_what_is_damaged(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    data = os.urandom(3000)
    digest = objects.put(data)
    path = objects.find_path(digest)
    assert path is not None
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    with objects.batch() as batch:
        assert batch.put(data) == digest
    assert objects.get(digest) == data


def test_a_mended_pack_is_read_by_those_who_saw_it_damaged(tmp_path: Path) -> None:
    objects, other = LocalObjects(tmp_path), LocalObjects(tmp_path)
    with objects.batch() as batch:
        digest = batch.put(b"z" * 300)
    (pack,) = (tmp_path / "packs").iterdir()
    flip(pack, 25)
    for reader in (objects, other):
        with pytest.raises(Corrupt):
            reader.get(digest)
    with objects.batch() as batch:
        batch.put(b"z" * 300)
    assert [path.name for path in (tmp_path / "packs").iterdir()] == [pack.name]
    assert objects.get(digest) == other.get(digest) == b"z" * 300


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_to_a_pack_gives_wrong_bytes(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("pack")
    contents = data.draw(st.lists(st.binary(max_size=200), min_size=1, max_size=8, unique=True))
    with LocalObjects(folder).batch() as batch:
        digests = {batch.put(content): content for content in contents}
    (pack,) = (folder / "packs").iterdir()
    length = pack.stat().st_size
    if data.draw(st.booleans()):
        flip(pack, data.draw(st.integers(0, length - 1)))
    else:
        rewrite(pack, pack.read_bytes()[: data.draw(st.integers(0, length - 1))])
    wrong = 0
    for digest, content in digests.items():
        try:
            assert LocalObjects(folder).get(digest) == content
        except Corrupt:
            wrong += 1
    assert wrong > 0
    mended = LocalObjects(folder)
    if data.draw(st.booleans()):
        with mended.batch() as batch:
            assert [batch.put(content) for content in contents] == list(digests)
    else:
        assert [mended.put(content) for content in contents] == list(digests)
    assert all(LocalObjects(folder).get(digest) == content for digest, content in digests.items())


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_damage_to_a_loose_file_gives_wrong_bytes(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("loose")
    content = [b"text " * 2000, NOISE[:500], b"%d," * 400_000][data.draw(st.integers(0, 2))]
    digest = LocalObjects(folder).put(content)
    (file,) = files_of(folder / "loose")
    length = file.stat().st_size
    if data.draw(st.booleans()):
        flip(file, data.draw(st.integers(0, length - 1)))
    else:
        rewrite(file, file.read_bytes()[: data.draw(st.integers(0, length - 1))])
    objects = LocalObjects(folder)

    def opened(digest: Digest) -> bytes:
        with objects.open(digest) as file:
            return file.read()

    def saved(digest: Digest) -> bytes:
        objects.save(digest, folder / "out")
        return (folder / "out").read_bytes()

    wrong = 0
    for read in (objects.get, opened, saved):
        try:
            assert read(digest) == content
        except Corrupt:
            wrong += 1
    assert wrong == 3 or file.suffix == ".zst"  # a zstd header has a bit without meaning
    objects.put(content)
    assert objects.get(digest) == content


def test_foreign_files_in_the_folder_are_ignored_or_named(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "store")
    digest = objects.put(b"mine")
    (tmp_path / "store" / "packs" / "README").write_text("hello")
    (tmp_path / "store" / "loose" / "note").write_text("hello")
    (tmp_path / "store" / "loose" / digest[:2] / (digest[:2] + "." * 62)).write_text("no digest")
    (tmp_path / "store" / "loose" / digest[:3]).mkdir()
    (tmp_path / "store" / "loose" / digest[:3] / digest).write_text("not where it belongs")
    assert list(objects.list()) == [digest]
    (tmp_path / "store" / "packs" / "no.pack").write_text("hello")
    assert objects.get(digest) == b"mine"
    with pytest.raises(Corrupt, match=r"no\.pack"):
        list(objects.list())
    with pytest.raises(Corrupt, match=r"no\.pack"):
        objects.get(hash_bytes(b"perhaps in there"))
    assert objects.put(b"more") == hash_bytes(b"more")


def test_drafts_of_killed_writers_are_swept_when_old(tmp_path: Path) -> None:
    drafts = tmp_path / "drafts"
    LocalObjects(tmp_path).put(b"x")
    old = drafts / ".clew-0123456789abcdef.tmp"
    old.write_bytes(b"left")
    now_us = int(old.stat().st_mtime * 1e6)
    assert list(LocalObjects(tmp_path).list()) == [hash_bytes(b"x")]
    LocalObjects(tmp_path, clock=ManualClock(now_us + 60_000_000)).put(b"y")
    assert old.exists()
    with Draft(drafts) as held:
        LocalObjects(tmp_path, clock=ManualClock(now_us + 7200_000_000)).put(b"z")
        assert not old.exists()
        assert Path(held.path).exists()
    assert list(drafts.iterdir()) == []


def test_a_full_disk_is_unavailable_and_leaves_nothing(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["Unavailable"] * 4
    objects = LocalObjects(tmp_path / "store")
    assert set(objects.list()) == {hash_bytes(b"fits")}
    assert list((tmp_path / "store" / "drafts").iterdir()) == []
    assert not (tmp_path / "out").exists()


FULL_DISK = """
import os, resource, signal, sys
from pathlib import Path
from clew.core.errors import Unavailable
from clew.store.objects import LocalObjects
folder = Path(sys.argv[1])
objects = LocalObjects(folder / "store")
(folder / "big").write_bytes(os.urandom(2 << 20))
noise = objects.put(b"fits")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
def batch(n, size):
    with objects.batch() as batch:
        for _ in range(n):
            batch.put(os.urandom(size))
for attempt in (
    lambda: objects.put(os.urandom(300_000)),
    lambda: objects.put_file(folder / "big"),
    lambda: batch(1000, 3000),
    lambda: batch(100, 3000),
):
    try:
        attempt()
    except Unavailable as error:
        assert "full" in str(error), error
        print(type(error).__name__)
"""


def test_a_file_that_grows_while_it_is_read_is_a_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = LocalObjects(tmp_path / "store")
    source = tmp_path / "source"
    source.write_bytes(NOISE)
    write = Draft.write

    def write_and_grow(draft: Draft, data: bytes) -> None:
        write(draft, data)
        with source.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(Draft, "write", write_and_grow)
    with pytest.raises(Conflict, match="changed while"):
        objects.put_file(source)
    assert list(objects.list()) == []
    assert list((tmp_path / "store" / "drafts").iterdir()) == []


def test_a_reflink_is_used_where_there_are_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared: list[int] = []

    def clone(draft: Draft, source: object) -> bool:
        shared.append(os.sendfile(draft.fd, source.fileno(), 0, 1 << 30))  # type: ignore[attr-defined]
        return True

    monkeypatch.setattr(Draft, "clone", clone)
    objects = LocalObjects(tmp_path / "store")
    source = tmp_path / "source"
    source.write_bytes(NOISE)
    digest = objects.put_file(source)
    assert digest == hash_bytes(NOISE)
    objects.save(digest, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == NOISE
    assert shared == [len(NOISE)] * 2
    (file,) = files_of(tmp_path / "store" / "loose")
    flip(file, 99)
    with pytest.raises(Corrupt):
        objects.save(digest, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_store_does_not_write_before_it_must(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "store")
    assert list(objects.list()) == []
    assert objects.missing([hash_bytes(b"")]) == {hash_bytes(b"")}
    with pytest.raises(NotFound):
        objects.get(hash_bytes(b""))
    assert not (tmp_path / "store").exists()


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file is in the way")
    with pytest.raises(Unavailable):
        LocalObjects(tmp_path / "store").put(b"x")
    with pytest.raises(Unavailable), LocalObjects(tmp_path / "store").batch():
        pass


@pytest.mark.parametrize("how", ["put", "put_file", "batch", "again"])
def test_contents_come_before_names_and_names_before_the_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    objects = LocalObjects(tmp_path / "store")
    (tmp_path / "source").write_bytes(NOISE)
    objects.put(b"makes the folders")
    if how == "again":
        objects.put(NOISE)
        objects.loose._durable.clear()
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def recorded_fsync(fd: int) -> None:
        calls.append("sync folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "sync file")
        fsync(fd)

    def recorded_replace(source: str, target: str) -> None:
        calls.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    if how == "put_file":
        objects.put_file(tmp_path / "source")
    elif how == "batch":
        with objects.batch() as batch:
            batch.put(NOISE)
    else:
        objects.put(NOISE)
    if how == "again":
        assert calls == ["sync folder", "sync folder"]
    else:
        at = calls.index("name")
        assert calls[:at].count("sync file") == 1
        assert calls[at:] == (["name", "sync folder"])


def test_a_check_tells_of_every_copy(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "store", pack_bytes=4000)
    loose = [objects.put(b"%d" % at * 100) for at in range(3)]
    with objects.batch() as batch:
        packed = [batch.put(os.urandom(3000)) for _ in range(3)]
    assert sorted(objects.check()) == sorted((digest, None) for digest in [*loose, *packed])
    flip(Path(next(objects.loose.find(loose[0])).file), -2)
    bad = next(objects.packs.find(bytes.fromhex(packed[0])))
    flip(Path(bad.pack.path), bad.entry.offset + 5)
    fresh = LocalObjects(tmp_path / "store")
    assert {digest for digest, trouble in fresh.check() if trouble is not None} == {loose[0], packed[0]}
    other = next(objects.packs.find(bytes.fromhex(packed[2])))
    rewrite(Path(other.pack.path), b"no pack")
    found = list(LocalObjects(tmp_path / "store").check())
    assert sorted(digest for digest, trouble in found if trouble is not None) == sorted(["", loose[0], packed[0]])
    assert packed[2] not in dict(found)


def test_a_check_goes_on_when_objects_are_taken_out_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects, other = LocalObjects(tmp_path / "store"), LocalObjects(tmp_path / "store")
    loose = [objects.put(b"loose %d" % at) for at in range(5)]
    with objects.batch() as batch:
        packed = [batch.put(b"packed %d" % at) for at in range(2000)]
    verify = LooseObject.verify

    def gone(found: LooseObject) -> None:
        monkeypatch.setattr(LooseObject, "verify", verify)
        other.delete([found.digest])
        found.verify()

    monkeypatch.setattr(LooseObject, "verify", gone)
    checked = objects.check()
    first = next(checked)
    other.delete([packed[7]])
    objects.packs.place.forget(objects.packs.all()[0].path)
    found = {first, *checked}
    assert all(trouble is None for _, trouble in found)
    assert {digest for digest, _ in found} >= {*packed} - {packed[7]}
    assert len({*loose} - {digest for digest, _ in found}) == 1


def test_only_many_look_ups_are_worth_a_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = LocalObjects(tmp_path / "store")
    with objects.batch() as batch:
        there = {batch.put(b"%d" % at) for at in range(300)}
    absent = {hash_bytes(b"absent %d" % at) for at in range(300)}
    made, seen = [], objects.packs.seen
    monkeypatch.setattr(objects.packs, "seen", lambda: made.append(1) or seen())
    for count, filters in ((1, 0), (255, 0), (256, 1)):
        made.clear()
        some = set(sorted(absent)[:count])
        assert objects.missing(some) == some
        assert len(made) == filters
    assert objects.missing(there | absent) == absent
