"""The format of packs: what was added is found, and each kind of damage is told instead of believed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.errors import Corrupt
from clew.core.hashing import Hasher
from clew.store.objects.disk import Draft
from clew.store.objects.folder import OpenFiles, PackFolder
from clew.store.objects.frames import shrink
from clew.store.objects.pack import (
    _BUFFER_BYTES,
    _CHECK_BYTES,
    _ENTRY,
    _ENTRY_BYTES,
    _FOOT,
    _HEAD,
    _MAGIC,
    _TAIL_BYTES,
    PACKED_MAX_BYTES,
    Entry,
    Pack,
    PackDraft,
    _packed,
)

OBJECTS = [b"", b"one", b"two " * 100, os.urandom(50)]


def digest_of(data: bytes) -> bytes:
    return Hasher(data).digest()


def write(folder: Path, objects: list[bytes]) -> Path:
    with Draft(folder, mode=0o644) as draft:
        pack = PackDraft(draft)
        for data in objects:
            pack.add(digest_of(data), shrink(data) or data, len(data))
        path = folder / pack.seal()
        draft.publish(path)
    return path


def opened(path: Path) -> Pack:
    return Pack(str(path), PackFolder(path.parent))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path, OBJECTS)


def test_what_was_added_is_found_by_digest(path: Path) -> None:
    pack = opened(path)
    assert len(pack) == len(OBJECTS)
    for data in OBJECTS:
        entry = pack.find(digest_of(data))
        assert entry is not None
        assert pack.read(entry) == data
        assert pack.stored(entry) == (shrink(data) or data)
    assert [entry.digest for entry in pack.entries()] == sorted(map(digest_of, OBJECTS))
    for other in (b"other", b"\0" * 9):
        assert pack.find(digest_of(other)) is None
    assert pack.find(b"\xff" * 32) is None


def test_digests_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    digests = [b"\x07" * 8 + bytes([last]) * 24 for last in range(3)]
    with Draft(tmp_path) as draft:
        made = PackDraft(draft)
        for last, digest in enumerate(digests):
            made.add(digest, bytes([last]), 1)
        path = tmp_path / made.seal()
        draft.publish(path)
    pack = opened(path)
    for last, digest in enumerate(digests):
        found = pack.find(digest)
        assert found is not None
        assert (found.digest, pack.stored(found)) == (digest, bytes([last]))
    assert pack.find(b"\x07" * 8 + b"\x09" * 24) is None


def test_a_pack_of_any_length_is_flushed_as_it_grows(tmp_path: Path) -> None:
    with Draft(tmp_path) as draft:
        pack = PackDraft(draft)
        assert pack.size_bytes == _HEAD.size
        pack.add(b"\1" * 32, b"x" * (_BUFFER_BYTES - _HEAD.size - 1), 1)
        assert Path(draft.path).stat().st_size == 0
        pack.add(b"\2" * 32, b"x", 1)
        assert Path(draft.path).stat().st_size == pack.size_bytes == _BUFFER_BYTES


def index_of(data: bytearray) -> tuple[int, int]:
    """How many entries, and where the table of them begins."""
    count, start, _ = _FOOT.unpack_from(data, len(data) - _TAIL_BYTES)
    return count, start + 8 * count


def signed(data: bytearray) -> bytes:
    """With the check of head and foot made anew, so that only what it covers can be found wrong."""
    foot = data[-_TAIL_BYTES : -_TAIL_BYTES + _FOOT.size]
    data[-_CHECK_BYTES - len(_MAGIC) : -len(_MAGIC)] = Hasher(bytes(data[: _HEAD.size]) + bytes(foot)).digest()
    return bytes(data)


def in_foot(data: bytearray, *, more_entries: int = 0, later: int = 0, check: bytes | None = None) -> bytes:
    count, start, prefixes = _FOOT.unpack_from(data, len(data) - _TAIL_BYTES)
    _FOOT.pack_into(data, len(data) - _TAIL_BYTES, count + more_entries, start + later, check or prefixes)
    return signed(data)


def with_version(data: bytearray) -> bytes:
    _HEAD.pack_into(data, 0, _MAGIC, 1)
    return signed(data)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: bytes(data[: _HEAD.size + _TAIL_BYTES - 1]), "too short"),
        (lambda data: b"", "too short"),
        (lambda data: bytes(data[:-1]), "does not end as a pack does"),
        (lambda data: bytes(data[:-1]) + b"X", "does not end as a pack does"),
        (lambda data: b"X" + bytes(data[1:]), "does not end as a pack does"),
        (with_version, "no pack of version 0"),
        (lambda data: in_foot(data, more_entries=1), "does not add up"),
        (lambda data: in_foot(data, later=1), "does not add up"),
        (lambda data: in_foot(data, check=b"\0" * 32), "is damaged"),
    ],
)
def test_a_damaged_pack_does_not_open(path: Path, damage: Callable[[bytearray], bytes], why: str) -> None:
    path.write_bytes(damage(bytearray(path.read_bytes())))
    with pytest.raises(Corrupt, match=why):
        opened(path)


def test_the_shortest_pack_holds_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, [])
    assert path.stat().st_size == _HEAD.size + _TAIL_BYTES
    assert (len(opened(path)), list(opened(path).entries())) == (0, [])


def test_a_damaged_column_of_prefixes_does_not_open(path: Path) -> None:
    data = bytearray(path.read_bytes())
    _, table = index_of(data)
    data[table - 1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt, match=r"index of .* is damaged"):
        opened(path)


def replaced(path: Path, **changes: object) -> None:
    """Write another first entry, whose own check is right."""
    data = bytearray(path.read_bytes())
    _, table = index_of(data)
    entry = Entry(*_ENTRY.unpack_from(data, table))._replace(**changes)  # type: ignore[arg-type]
    data[table : table + _ENTRY_BYTES] = _packed(entry)
    path.write_bytes(data)


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": b"\0" * 32},
        {"offset": 10_000},
        {"stored": 10_000, "size": 10_000},
        {"stored": 3, "size": 2},
        {"stored": 3, "size": PACKED_MAX_BYTES + 1},
    ],
)
def test_an_entry_that_cannot_be_is_damage(path: Path, changes: dict[str, object]) -> None:
    replaced(path, **changes)
    with pytest.raises(Corrupt, match="is damaged"):
        next(opened(path).entries())


def test_entries_may_reach_to_the_index_and_grow_to_the_limit(path: Path) -> None:
    _, table = index_of(bytearray(path.read_bytes()))
    replaced(path, offset=table - 3, stored=3, size=PACKED_MAX_BYTES)
    assert next(opened(path).entries()).size == PACKED_MAX_BYTES
    replaced(path, offset=table - 3, stored=4, size=4)
    with pytest.raises(Corrupt):
        next(opened(path).entries())


def test_entries_between_two_bytes_are_those_that_begin_with_them(tmp_path: Path) -> None:
    digests = [bytes([byte]) + os.urandom(31) for byte in (0, 0, 1, 127, 128, 254, 255, 255)]
    draft = PackDraft(Draft(tmp_path))
    for digest in digests:
        draft.add(digest, b"x", 1)
    draft.seal()
    draft.draft.publish(tmp_path / "some.pack")
    pack = opened(tmp_path / "some.pack")
    for first, last in ((0, 255), (0, 0), (1, 127), (2, 126), (128, 254), (255, 255)):
        between = sorted(digest for digest in digests if first <= digest[0] <= last)
        assert [each.digest for each in pack.entries(first, last)] == between


def test_a_flipped_entry_is_damage_where_it_lies(path: Path) -> None:
    data = bytearray(path.read_bytes())
    _, table = index_of(data)
    data[table + 40] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt, match="is damaged"):
        opened(path).find(sorted(map(digest_of, OBJECTS))[0])


def test_bytes_that_do_not_match_their_name_are_refused(path: Path) -> None:
    entry = opened(path).find(digest_of(b"one"))
    assert entry is not None
    data = bytearray(path.read_bytes())
    data[entry.offset] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corrupt, match="do not match"):
        opened(path).read(entry)
    assert opened(path).stored(entry) != b"one"


def test_a_pack_that_is_cut_while_it_is_open(path: Path) -> None:
    pack = opened(path)
    entry = pack.find(digest_of(OBJECTS[-1]))
    assert entry is not None
    os.truncate(path, entry.offset + 1)
    with pytest.raises(Corrupt, match="cut short"):
        pack.stored(entry)


@given(st.lists(st.binary(max_size=200), unique=True, max_size=20))
def test_any_objects(tmp_path_factory: pytest.TempPathFactory, objects: list[bytes]) -> None:
    pack = opened(write(tmp_path_factory.mktemp("pack"), objects))
    assert {pack.read(entry) for entry in pack.entries()} == set(objects)


def test_no_more_files_stay_open_than_allowed(tmp_path: Path) -> None:
    paths = [str(write(tmp_path, [bytes([i])])) for i in range(3)]
    files = OpenFiles(limit=2)
    first, second = files.get(paths[0]), files.get(paths[1])
    assert files.get(paths[0]) is first
    files.get(paths[2])  # the second was used longest ago
    assert files.get(paths[0]) is first
    assert files.get(paths[1]) is not second
    files.forget(paths[1])
    files.forget("unknown")


def test_a_file_that_is_not_there_leaves_nothing_open(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        OpenFiles().get(str(tmp_path / "missing"))
