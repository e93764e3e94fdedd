"""What every `Objects` must do. Subclass `ObjectsContract`, and give it an `objects` fixture."""

from __future__ import annotations

import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest

from clew.core.contracts.objects import Objects
from clew.core.errors import Corrupt, Invalid, NotFound
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest

__all__ = ["ObjectsContract"]

_ABSENT = Digest("0" * 64)
_LONG = b"".join(b"line %d of a text that shrinks\n" % i for i in range(90_000))
_NOISE = os.urandom(3 << 20)
_SAMPLES = [b"", b"\0", b"short", b"a" * 5000, _LONG, _NOISE]


class ObjectsContract:
    """The contract of `clew.core.contracts.objects.Objects`, as tests."""

    @pytest.fixture
    def objects(self, tmp_path: Path) -> Objects:
        """An empty store."""
        raise NotImplementedError("give the suite an `objects` fixture")

    def damage(self, objects: Objects, digest: Digest) -> None:
        """Flip a bit of a stored object behind the store's back."""
        pytest.skip(f"this suite cannot damage {digest} in {objects}")

    @pytest.mark.parametrize("data", _SAMPLES, ids=len)
    def test_what_is_put_can_be_read_in_every_way(self, objects: Objects, data: bytes, tmp_path: Path) -> None:
        digest = objects.put(data)
        assert digest == hash_bytes(data)
        self._reads_back(objects, digest, data, tmp_path)

    @pytest.mark.parametrize("data", _SAMPLES, ids=len)
    def test_a_file_is_stored_as_its_bytes(self, objects: Objects, data: bytes, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_bytes(data)
        digest = objects.put_file(source)
        assert digest == hash_bytes(data)
        self._reads_back(objects, digest, data, tmp_path)

    def test_a_batch_is_visible_when_it_has_ended(self, objects: Objects, tmp_path: Path) -> None:
        with objects.batch() as batch:
            digests = [batch.put(data) for data in _SAMPLES]
            assert objects.missing(digests) == set(digests)
        for digest, data in zip(digests, _SAMPLES, strict=True):
            self._reads_back(objects, digest, data, tmp_path)

    def test_a_batch_that_raises_stores_nothing(self, objects: Objects) -> None:
        def broken_off() -> None:
            with objects.batch() as batch:
                batch.put(b"one")
                raise KeyError

        with pytest.raises(KeyError):
            broken_off()
        assert list(objects.list()) == []
        with objects.batch():
            pass
        assert list(objects.list()) == []

    def test_putting_again_changes_nothing(self, objects: Objects) -> None:
        digest = objects.put(b"twice")
        with objects.batch() as batch:
            assert batch.put(b"twice") == digest
            assert batch.put(b"both") == batch.put(b"both")
        assert objects.put(b"twice") == digest
        assert objects.put(b"both") == hash_bytes(b"both")
        assert sorted(objects.list()) == sorted([digest, hash_bytes(b"both")])

    def test_missing_and_list_tell_what_is_there(self, objects: Objects) -> None:
        assert list(objects.list()) == []
        one = objects.put(b"one")
        with objects.batch() as batch:
            two = batch.put(b"two")
        assert objects.missing([one, two, _ABSENT]) == {_ABSENT}
        assert objects.missing([]) == set()
        assert set(objects.list()) == {one, two}

    def test_a_list_is_in_order_and_goes_on_behind_any_digest(self, objects: Objects) -> None:
        there = {objects.put(b"alone %d" % i) for i in range(20)}
        for some in (range(10, 100), range(50, 150)):
            with objects.batch() as batch:
                there |= {batch.put(b"%d" % i) for i in some}
        every = sorted({*there, objects.put(b"12"), objects.put(b"13")})
        assert list(objects.list()) == every
        for at in (0, 1, 77, len(every) - 1):
            assert list(objects.list(after=every[at])) == every[at + 1 :]
        for absent in (_ABSENT, hash_bytes(b"absent"), Digest("7f" + "f" * 62), Digest("80" + "0" * 62)):
            assert list(objects.list(after=absent)) == [digest for digest in every if digest > absent]
        assert list(objects.list(after="f" * 64)) == []
        assert list(islice(objects.list(after=every[5]), 3)) == every[6:9]

    def test_what_is_absent_is_not_found(self, objects: Objects, tmp_path: Path) -> None:
        target = tmp_path / "target"
        for read in (objects.get, objects.open, objects.size, objects.find_path):
            with pytest.raises(NotFound) as caught:
                read(_ABSENT)
            assert caught.value.kind == "object"
            assert caught.value.name == _ABSENT
        assert objects.find_url(_ABSENT) is None
        with pytest.raises(NotFound):
            objects.save(_ABSENT, target)
        assert not target.exists()
        objects.delete([_ABSENT])

    @pytest.mark.parametrize("name", ["", "abc", "../" * 20 + "etc", "A" * 64, "0" * 63 + "\n", "0" * 65])
    def test_what_is_no_digest_is_invalid(self, objects: Objects, name: str) -> None:
        for read in (objects.get, objects.open, objects.size, objects.find_path, objects.find_url):
            with pytest.raises(Invalid):
                read(Digest(name))
        with pytest.raises(Invalid):
            objects.missing([Digest(name)])
        with pytest.raises(Invalid):
            objects.delete([Digest(name)])
        if name:
            with pytest.raises(Invalid):
                list(objects.list(after=name))

    def test_deleted_objects_are_gone_and_others_stay(self, objects: Objects) -> None:
        loose = [objects.put(b"loose %d" % i) for i in range(4)]
        with objects.batch() as batch:
            packed = [batch.put(b"packed %d" % i) for i in range(20)]
        objects.delete([loose[0], packed[3], packed[7], _ABSENT])
        kept = {*loose[1:], *packed} - {packed[3], packed[7]}
        assert set(objects.list()) == kept
        assert objects.missing([loose[0], packed[3], packed[7]]) == {loose[0], packed[3], packed[7]}
        assert all(hash_bytes(objects.get(digest)) == digest for digest in kept)
        objects.delete(packed)
        assert set(objects.list()) == set(loose[1:])
        assert objects.put(b"packed 3") == packed[3]
        assert objects.get(packed[3]) == b"packed 3"

    def test_damage_is_found_by_every_read(self, objects: Objects, tmp_path: Path) -> None:
        digests = [objects.put(b"x" * 5000), objects.put(_NOISE)]
        with objects.batch() as batch:
            digests.append(batch.put(b"y" * 5000))
        for digest in digests:
            self.damage(objects, digest)
            target = tmp_path / digest
            with pytest.raises(Corrupt):
                objects.get(digest)
            with pytest.raises(Corrupt), objects.open(digest) as file:
                file.read()
            with pytest.raises(Corrupt):
                objects.save(digest, target)
            assert not target.exists()

    def test_saving_replaces_the_file_at_once(self, objects: Objects, tmp_path: Path) -> None:
        target = tmp_path / "target"
        target.write_bytes(b"before")
        objects.save(objects.put(b"after"), target)
        assert target.read_bytes() == b"after"
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["target"]
        target.write_bytes(b"a person may change it")
        assert objects.get(hash_bytes(b"after")) == b"after"

    def test_a_file_that_cannot_be_read_is_refused(self, objects: Objects, tmp_path: Path) -> None:
        with pytest.raises(NotFound):
            objects.put_file(tmp_path / "absent")
        with pytest.raises(Invalid):
            objects.put_file(tmp_path)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(Invalid):
            objects.put_file(tmp_path / "pipe")
        assert list(objects.list()) == []

    def test_threads_share_a_store(self, objects: Objects) -> None:
        start = threading.Barrier(8)

        def work(worker: int) -> list[Digest]:
            start.wait()
            with objects.batch() as batch:
                digests = [batch.put(b"%d" % (i % 20)) for i in range(worker, worker + 30)]
            digests.append(objects.put(b"all"))
            return [*digests, objects.put(b"own %d" % worker)]

        with ThreadPoolExecutor(8) as pool:
            digests = {digest for result in pool.map(work, range(8)) for digest in result}
        assert set(objects.list()) == digests
        assert all(hash_bytes(objects.get(digest)) == digest for digest in digests)

    def test_threads_share_a_batch(self, objects: Objects) -> None:
        with objects.batch() as batch, ThreadPoolExecutor(8) as pool:
            digests = set(pool.map(batch.put, [b"%d" % (i % 50) * 100 for i in range(400)]))
        assert set(objects.list()) == digests
        assert len(digests) == 50

    def _reads_back(self, objects: Objects, digest: Digest, data: bytes, folder: Path) -> None:
        assert objects.get(digest) == data
        assert objects.size(digest) == len(data)
        with objects.open(digest) as file:
            assert file.read() == data
            assert file.seek(len(data) // 2) == len(data) // 2
            assert file.read(7) == data[len(data) // 2 :][:7]
            assert file.seek(0, io.SEEK_END) == len(data)
            assert file.read(1) == b""
            assert file.seek(0) == 0
            assert file.read(3) == data[:3]
        target = folder / "saved"
        objects.save(digest, target)
        assert target.read_bytes() == data
        path = objects.find_path(digest)
        assert path is None or path.read_bytes() == data
