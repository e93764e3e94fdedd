from __future__ import annotations

import threading
from pathlib import Path

import pytest

from clew.core.errors import Invalid, Unavailable
from clew.store.signing import fingerprint, is_signed, key_path, open_key


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    key = open_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert open_key(path).public == key.public
    assert [each.name for each in path.parent.iterdir()] == ["signing.pem"]
    assert fingerprint(key.public) == key.fingerprint != open_key(tmp_path / "other.pem").fingerprint


def test_processes_that_need_a_key_at_once_get_the_same_one(tmp_path: Path) -> None:
    path, found = tmp_path / "signing.pem", set()
    threads = [threading.Thread(target=lambda: found.add(open_key(path).public)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 1


def test_a_signature_holds_for_its_bytes_its_tag_and_its_key(tmp_path: Path) -> None:
    key, other = open_key(tmp_path / "a.pem"), open_key(tmp_path / "b.pem")
    signature = key.sign("clew.test/0", b"said")
    assert is_signed(key.public, signature, tag="clew.test/0", data=b"said")
    assert not is_signed(key.public, signature, tag="clew.test/0", data=b"sair")
    assert not is_signed(key.public, signature, tag="clew.test/1", data=b"said")
    assert not is_signed(other.public, signature, tag="clew.test/0", data=b"said")
    assert not is_signed("no key", signature, tag="clew.test/0", data=b"said")
    assert not is_signed(key.public, "zz", tag="clew.test/0", data=b"said")


def test_a_file_that_is_no_key_or_is_open_to_others(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    path.write_text("nothing", encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(Invalid, match="no key"):
        open_key(path)
    path.chmod(0o644)
    with pytest.raises(Invalid, match="read by others"):
        open_key(path)
    with pytest.raises(Unavailable, match=r"cannot be used.*\n.*CLEW_SIGNING_KEY"):
        open_key(path / "below" / "a.file")


def test_where_the_key_lies() -> None:
    assert key_path({"CLEW_SIGNING_KEY": "/k.pem", "HOME": "/h"}) == Path("/k.pem")
    assert key_path({"XDG_CONFIG_HOME": "/c", "HOME": "/h"}) == Path("/c/clew/keys/signing.pem")
    assert key_path({"HOME": "/h"}) == Path("/h/.config/clew/keys/signing.pem")
