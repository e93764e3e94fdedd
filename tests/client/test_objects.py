"""Objects of a server: what a batch holds here, and what it sends at once."""

from __future__ import annotations

import os
import tracemalloc
from typing import cast

import pytest

from clew.client import objects as module
from clew.client.connection import Connection
from clew.client.objects import HttpObjects
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest


class Told:
    """A connection to a server that stores nothing and notes what it was sent."""

    def __init__(self) -> None:
        self.packed: list[list[bytes]] = []
        self.alone: list[bytes] = []
        self.asked: list[list[Digest]] = []

    def send(self, method: str, path: str, value: dict[str, list[Digest]], kind: object = None) -> object:
        self.asked.append(value["digests"])
        return module._Digests(digests=value["digests"])

    def pack(self, path: str, value: list[bytes], kind: object) -> None:
        self.packed.append(list(value))

    def ask(self, method: str, path: str, kind: object, body: bytes, headers: object) -> None:
        self.alone.append(body)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def objects(told: Told) -> HttpObjects:
    return HttpObjects(cast("Connection", told))


def test_a_batch_is_sent_in_pieces_that_a_server_takes(
    objects: HttpObjects, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH_BYTES", 1000)
    small = [os.urandom(400) for _ in range(10)]
    large = [os.urandom(1001), os.urandom(5000)]
    with objects.batch() as batch:
        for data in [*small[:5], *large, *small[5:], small[0], b""]:
            batch.put(data)
    assert told.packed == [small[:2], small[2:4], small[4:6], small[6:8], [*small[8:], b""]]
    assert told.alone == large


def test_a_long_batch_is_not_held_in_memory(objects: HttpObjects, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HELD_BYTES", 1 << 20)
    monkeypatch.setattr(objects, "_send", lambda batch: None)
    tracemalloc.start()
    try:
        with objects.batch() as batch:
            for at in range(64):
                batch.put(at.to_bytes(1, "big") * (1 << 18))
            assert tracemalloc.get_traced_memory()[0] < 4 << 20
    finally:
        tracemalloc.stop()


def test_many_are_deleted_a_request_at_a_time(objects: HttpObjects, told: Told) -> None:
    digests = [hash_bytes(b"%d" % at) for at in range(12_000)]
    objects.delete(iter(digests))
    assert [len(some) for some in told.asked] == [5000, 5000, 2000]
    assert [digest for some in told.asked for digest in some] == digests
