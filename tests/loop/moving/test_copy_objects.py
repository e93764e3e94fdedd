"""Objects are copied as they are listed, and one that does not arrive is told of at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clew.core.errors import Corrupt
from clew.core.ids import Digest
from clew.loop.moving.copy_objects import copy_objects
from clew.store.objects import MemoryObjects


class Counted(MemoryObjects):
    """Counts the names that it was asked for."""

    names = 0

    def list(self, *, after: str = "") -> Iterator[Digest]:
        for digest in super().list(after=after):
            self.names += 1
            yield digest


class Forgetful(MemoryObjects):
    """Never has what it was given."""

    def missing(self, digests: object) -> set[Digest]:
        return super().missing(digests) | set(digests)  # type: ignore[arg-type, call-overload]


def source() -> Counted:
    made = Counted()
    for at in range(2500):
        made.put(b"%d" % at)
    return made


def test_everything_is_copied_once() -> None:
    one, two = source(), MemoryObjects()
    two.put(b"7")
    told: list[int] = []
    assert copy_objects(one, two, tell=told.append) == 2500
    assert list(two.list()) == list(MemoryObjects.list(one))
    assert (told, one.names) == ([1000, 2000, 2500], 2500)


def test_what_does_not_arrive_is_told_before_the_rest_is_listed() -> None:
    one = source()
    with pytest.raises(Corrupt, match="1000 objects did not arrive"):
        copy_objects(one, Forgetful(), tell=lambda _: None)
    assert one.names == 1000
