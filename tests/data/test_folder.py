from __future__ import annotations

from importlib import import_module

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.errors import Corrupt, Invalid, NotFound
from clew.core.hashing import hash_bytes
from clew.core.ids import Digest
from clew.data.folder import EMPTY, Entry, EntryKind, decode, encode
from clew.data.tree import find, get, walk

NEVER = (b".", b"..", b".git", b".clew")
names = st.binary(min_size=1, max_size=20).filter(lambda name: not {0, 47} & set(name) and name not in NEVER)
entries = st.lists(
    st.builds(
        Entry,
        names,
        st.sampled_from(EntryKind),
        st.integers(0, 2**40),
        st.integers(0, 2**40),
        st.binary(min_size=32, max_size=32).filter(lambda content: 0 not in content),
    ),
    unique_by=lambda entry: entry.name,
    max_size=8,
)


@given(entries)
def test_a_folder_comes_back_by_name(some: list[Entry]) -> None:
    assert decode(encode(some)) == sorted(some, key=lambda entry: entry.name)
    assert encode(some) == encode(reversed(some))


def test_the_format_does_not_change() -> None:
    some = [Entry(b"a", EntryKind.FILE, 3, 1, b"x" * 32), Entry(b"b", EntryKind.LINK, 1, 1, b"a")]
    assert hash_bytes(encode(some)) == "7b11edaaf7755f3ac88268c0b0b32b07db1dcc8dcccac7bb9316c807748d3ddb"
    assert EMPTY == "62b59e436ba5f9a188e5f16dcbdd7a546127106f9247b9bdcd4e2adf47b452d0"


def raw(*rows: tuple[object, ...]) -> bytes:
    return b"clewtree\0" + msgspec.msgpack.encode(rows)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"clewtree\1",
        raw((b"a", 0, 1, 1, b"x" * 31)),
        raw((b"a", 9, 1, 1, b"x" * 32)),
        raw((b"a", 2, 1, 1, b"")),
        raw((b"a", 2, 1, 1, b"x\0y")),
        *(raw((name, 0, 1, 1, b"x" * 32)) for name in (b"", b".", b"..", b"a/b", b"/a", b"a\0b")),
        raw((b"b", 0, 1, 1, b"x" * 32), (b"a", 0, 1, 1, b"x" * 32)),
        raw((b"a", 0, 1, 1, b"x" * 32), (b"a", 0, 1, 1, b"x" * 32)),
        raw((b"a", 0, 1, 1, b"x" * 32)) + b"more",
        raw((b".git", 3, 1, 1, b"x" * 32)),
        raw((b".clew", 3, 1, 1, b"x" * 32)),
    ],
)
def test_a_hostile_folder_is_corrupt(data: bytes) -> None:
    with pytest.raises(Corrupt):
        decode(data)


class Folders(dict[Digest, list[Entry]]):
    def add(self, *some: Entry) -> Digest:
        digest = hash_bytes(encode(some))
        self[digest] = decode(encode(some))
        return digest

    def folder(self, name: bytes, *some: Entry) -> Entry:
        digest = self.add(*some)
        size, files = sum(e.size_bytes for e in some), sum(e.files for e in some)
        return Entry(name, EntryKind.FOLDER, size, files, bytes.fromhex(digest))


def file(name: bytes, size: int = 1) -> Entry:
    return Entry(name, EntryKind.FILE, size, 1, b"x" * 32)


def test_a_tree_is_walked_and_searched() -> None:
    folders = Folders()
    root = folders.add(file(b"z"), folders.folder(b"d", file(b"one"), folders.folder(b"e"), file(b"two")))
    read = folders.__getitem__
    assert [path for path, _ in walk(read, root)] == ["d", "d/e", "d/one", "d/two", "z"]
    assert get(read, root, "d/one").name == b"one"
    assert get(read, root, "./d//one").name == b"one"
    assert find(read, root, "d/three") is None
    assert find(read, root, "z/one") is None
    with pytest.raises(NotFound, match="did you mean d/one"):
        get(read, root, "d/onne")
    for path in ("../z", "/z", "", "d/../z"):
        with pytest.raises(Invalid):
            find(read, root, path)


def test_a_folder_that_lies_about_its_sums_is_corrupt() -> None:
    folders = Folders()
    held = folders.folder(b"d", file(b"one", 5))
    root = folders.add(msgspec.structs.replace(held, size_bytes=6))
    with pytest.raises(Corrupt, match="does not hold"):
        list(walk(folders.__getitem__, root))


def test_a_path_that_is_not_there_is_not_looked_for_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = Folders()
    below = [Entry(b"%d" % i, EntryKind.FOLDER, 0, 0, bytes.fromhex(folders.add())) for i in range(9)]
    root = folders.add(*below)
    monkeypatch.setattr(import_module("clew.data.tree"), "_COMPARED", 3)
    opened: list[Digest] = []

    def read(digest: Digest) -> list[Entry]:
        opened.append(digest)
        return folders[digest]

    with pytest.raises(NotFound):
        get(read, root, "x")
    assert len(opened) <= 5
