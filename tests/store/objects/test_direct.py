"""What comes into a bucket past the server becomes an object when it is what it says, and else goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.errors import Invalid, NotFound
from clew.core.hashing import hash_bytes
from clew.store.objects import CachedObjects, MemoryObjects, RemoteObjects
from clew.store.objects.bucket import open_bucket
from clew.store.objects.direct import Direct, direct_of

NAME = "0123456789abcdef" * 2
DATA = b"sent past the server"
DIGEST = hash_bytes(DATA)


@pytest.fixture
def objects(tmp_path: Path) -> RemoteObjects:
    return RemoteObjects(open_bucket("memory:///"), tmp_path / "local")


def send(objects: RemoteObjects, data: bytes) -> None:
    objects.bucket.write(f"arriving/{NAME}-{DIGEST[:16]}/sent", data)


def keys(objects: RemoteObjects) -> list[str]:
    return [stored.key for stored in objects.bucket.list()]


def test_what_was_sent_becomes_an_object(objects: RemoteObjects) -> None:
    direct = Direct(objects)
    for _ in range(2):
        send(objects, DATA)
        direct.take_in(DIGEST, NAME)
        assert objects.get(DIGEST) == DATA
        assert len(keys(objects)) == 1


def test_what_is_something_else_goes(objects: RemoteObjects) -> None:
    send(objects, b"something else")
    with pytest.raises(Invalid, match="has the digest"):
        Direct(objects).take_in(DIGEST, NAME)
    assert keys(objects) == []


def test_nothing_was_sent(objects: RemoteObjects) -> None:
    with pytest.raises(NotFound):
        Direct(objects).take_in(DIGEST, NAME)
    for name in ("", "../" + NAME, NAME.upper(), NAME + "0"):
        with pytest.raises(Invalid, match="no name of an upload"):
            Direct(objects).take_in(DIGEST, name)


def test_only_what_is_in_a_bucket_that_signs_has_addresses(objects: RemoteObjects, tmp_path: Path) -> None:
    cached = CachedObjects(objects, tmp_path / "cache", limit_bytes=1)
    for each in (objects, cached):
        direct = direct_of(each)
        assert direct is not None
        assert direct.find_address(DIGEST, valid_s=60) is None
    assert direct_of(MemoryObjects()) is None
