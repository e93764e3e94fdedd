"""A folder of packs: what is listed, what is set aside, and what the filter lets through."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.core.errors import Corrupt
from clew.core.hashing import Hasher
from clew.core.ids import Digest
from clew.store.objects.folder import PackFolder
from clew.store.objects.packs import Packs, Seen


@pytest.fixture
def packs(tmp_path: Path) -> Packs:
    (tmp_path / "packs").mkdir()
    return Packs(PackFolder(tmp_path / "packs"), tmp_path)


def folder_of(packs: Packs) -> str:
    assert isinstance(packs.place, PackFolder)
    return packs.place.folder


def digest_of(data: bytes) -> bytes:
    return Hasher(data).digest()


def publish(packs: Packs, *objects: bytes) -> str:
    pack = packs.new()
    for data in objects:
        pack.add(digest_of(data), data, len(data))
    name = pack.seal()
    packs.publish([(pack, name)])
    return f"{folder_of(packs)}/{name}"


def test_packs_are_listed_when_first_asked_for_and_then_at_a_refresh(packs: Packs) -> None:
    publish(packs, b"one")
    assert [len(pack) for pack in packs.all()] == [1]
    publish(packs, b"two", b"three")
    assert [len(pack) for pack in packs.all()] == [1]
    assert packs.refresh()
    assert sorted(len(pack) for pack in packs.all()) == [1, 2]
    assert not packs.refresh()


def test_no_folder_has_no_packs(tmp_path: Path) -> None:
    packs = Packs(PackFolder(tmp_path / "missing"), tmp_path)
    assert packs.all() == []
    assert not packs.holds(digest_of(b"one"))
    assert not packs.refresh()


def test_what_is_no_pack_is_set_aside_until_it_is_one(packs: Packs) -> None:
    path = Path(publish(packs, b"one"))
    sound = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"short")
    (path.parent / "notes.txt").write_text("no pack")
    packs.refresh()
    assert (list(packs.broken), packs.all()) == ([str(path)], [])
    path.write_bytes(sound)
    assert packs.refresh()
    assert packs.broken == {}
    assert packs.holds(digest_of(b"one"))


def test_a_list_follows_a_pack_that_is_rewritten_meanwhile(packs: Packs) -> None:
    objects = [b"%d" % i for i in range(400)]
    path = publish(packs, *objects)
    listed = packs.list()
    first = next(listed)
    other = Packs(PackFolder(Path(path).parent), Path(path).parent.parent)
    other.remove({digest_of(b"7")})
    packs.place.forget(path)
    assert [first, *listed] == sorted(digest_of(data).hex() for data in objects if data != b"7")


def test_a_list_looks_again_where_a_pack_was_rewritten_before_it_was_opened(
    packs: Packs, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = publish(packs, b"one", b"two")
    new = Packs(PackFolder(Path(old).parent), Path(old).parent.parent)
    new.remove({digest_of(b"one")})
    looks = [[old], packs.place.list()]
    monkeypatch.setattr(packs.place, "list", lambda: looks.pop(0))
    assert list(packs.list()) == [digest_of(b"two").hex()]
    assert looks == []


def test_a_list_that_cannot_be_whole_breaks_off(packs: Packs) -> None:
    path = Path(publish(packs, *(b"%d" % i for i in range(400))))
    listed = packs.list()
    next(listed)
    (path.parent / "other.pack").write_bytes(b"no pack")
    path.unlink()
    packs.place.forget(str(path))
    with pytest.raises(Corrupt, match=r"other\.pack"):
        list(listed)
    (path.parent / "other.pack").unlink()
    gone = Path(publish(packs, b"one"))
    packs.refresh()
    gone.unlink()
    gone.symlink_to("nothing")
    packs.place.forget(str(gone))
    with pytest.raises(FileNotFoundError):
        list(packs.list())


def test_a_check_follows_a_pack_that_is_rewritten_meanwhile(packs: Packs) -> None:
    objects = [b"%d" % i for i in range(2000)]
    path = publish(packs, *objects)
    checked = packs.check()
    first = next(checked)
    Packs(PackFolder(Path(path).parent), Path(path).parent.parent).remove({digest_of(b"7")})
    packs.place.forget(path)
    kept = {(digest_of(data).hex(), None) for data in objects if data != b"7"}
    assert {first, *checked} - {(digest_of(b"7").hex(), None)} == kept


def test_a_check_goes_on_behind_a_damaged_index(packs: Packs) -> None:
    path = Path(publish(packs, b"one", b"two"))
    publish(packs, b"three")
    packs.refresh()
    [bad] = [pack for pack in packs.all() if pack.path == str(path)]
    data = bytearray(path.read_bytes())
    data[bad._table + 3] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    found = dict(packs.check())
    assert sorted(found) == ["", digest_of(b"three").hex()]
    assert found[Digest("")] is not None


def test_every_copy_is_found_and_a_damaged_one_does_not_count(packs: Packs) -> None:
    first, second = Path(publish(packs, b"one")), Path(publish(packs, b"one", b"two"))
    digest = digest_of(b"one")
    packs.refresh()
    assert len(list(packs.find(digest))) == 2
    for path in (first, second):
        assert packs.holds(digest)
        [at] = [copy.entry.offset for copy in packs.find(digest) if copy.pack.path == str(path)]
        path.chmod(0o644)
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)
    assert not packs.holds(digest)
    assert packs.listed(digest, None)


def test_a_pack_that_lost_its_name_holds_nothing(packs: Packs) -> None:
    path = Path(publish(packs, b"one"))
    assert packs.holds(digest_of(b"one"))
    path.unlink()
    assert not packs.holds(digest_of(b"one"))


def test_a_damaged_index_is_told_after_the_sound_copies(packs: Packs) -> None:
    path = Path(publish(packs, b"one"))
    publish(packs, b"one", b"two")
    packs.refresh()
    digest = digest_of(b"one")
    [bad] = [pack for pack in packs.all() if pack.path == str(path)]
    data = bytearray(path.read_bytes())
    data[bad._table + 3] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    found = packs.find(digest)
    assert next(found).read() == b"one"
    with pytest.raises(Corrupt):
        list(found)
    assert packs.listed(digest, None)
    assert packs.listed(digest, packs.seen())
    packs._packs = {bad.path: bad}
    assert not packs.listed(digest, None)
    assert not packs.holds(digest)


def test_the_filter_never_misses_and_seldom_lets_through(packs: Packs) -> None:
    objects = [b"%d" % i for i in range(5000)]
    publish(packs, *objects)
    packs.refresh()
    seen = packs.seen()
    assert all(seen.may_hold(digest_of(data)) for data in objects)
    through = sum(seen.may_hold(digest_of(b"other %d" % i)) for i in range(5000)) / 5000
    assert through <= 0.08
    assert not packs.listed(digest_of(b"other"), Seen([]))
    assert not Seen([]).may_hold(digest_of(b"one"))


def test_the_filter_is_made_anew_only_when_it_is_full_or_packs_are_gone(packs: Packs) -> None:
    objects = [b"%d" % i for i in range(6000)]
    filters: list[Seen] = []
    paths: list[str] = []
    for at in range(0, len(objects), 300):
        paths.append(publish(packs, *objects[at : at + 300]))
        packs.refresh()
        filters.append(packs.seen())
        assert all(filters[-1].may_hold(digest_of(data)) for data in objects[: at + 300])
    assert len(set(filters)) == 2
    through = sum(filters[-1].may_hold(digest_of(b"other %d" % i)) for i in range(5000)) / 5000
    assert through <= 0.08
    Path(paths[0]).unlink()
    assert packs.seen() is filters[-1]
    packs.refresh()
    assert packs.seen() is not filters[-1]
    assert sum(packs.seen().may_hold(digest_of(data)) for data in objects[:300]) < 60


def test_objects_are_taken_out_and_packs_without_any_are_gone(packs: Packs) -> None:
    alone, mixed, other = publish(packs, b"one"), publish(packs, b"one", b"two"), publish(packs, b"three")
    packs.remove({digest_of(b"one")})
    assert not Path(alone).exists()
    assert not Path(mixed).exists()
    assert Path(other).exists()
    assert not packs.holds(digest_of(b"one"))
    for data in (b"two", b"three"):
        [copy] = packs.find(digest_of(data))
        assert copy.read() == data
        assert (copy.size, copy.path) == (len(data), None)


def test_a_damaged_neighbour_stops_a_removal_with_its_pack_as_it_was(packs: Packs) -> None:
    path = Path(publish(packs, b"one", b"two"))
    packs.refresh()
    [two] = packs.find(digest_of(b"two"))
    data = bytearray(path.read_bytes())
    data[two.entry.offset] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(Corrupt):
        packs.remove({digest_of(b"one")})
    assert path.read_bytes() == data
    assert packs.holds(digest_of(b"one"))
