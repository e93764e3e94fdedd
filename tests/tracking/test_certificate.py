from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clew.core.errors import Corrupt, Invalid
from clew.core.ids import Digest
from clew.store.signing import open_key
from clew.tracking.certificate import Statement, make_certificate, read_certificate


def a_statement(**changes: Any) -> Statement:
    given: dict[str, Any] = {
        "run": "1" * 32,
        "name": "train",
        "repeated": "2" * 32,
        "verdict": "bit-identical",
        "tolerance": 1e-6,
        "at_us": 1,
        "by": "ann",
        "record": {"source": Digest("a")},
        "data": {"flights@1": Digest("b")},
        "steps": {"fit 2": Digest("c")},
        "outputs": {},
        "metrics": {"auc": 0.1 + 0.2, "none": None},
        "models": {},
        "differs": [],
        "factors": [{"kind": "package", "name": "é", "recorded": "1", "now": "2"}],
        "environment": "recorded",
        "python": "3.11.7",
        "machine": {"host": "h"},
        "clew": "0.1.0",
        "report": Digest("d"),
    }
    return Statement(**{**given, **changes})


def test_what_was_signed_is_read_again(tmp_path: Path) -> None:
    key = open_key(tmp_path / "key.pem")
    data = make_certificate(key, a_statement())
    found = read_certificate(data)
    assert found.statement == a_statement()
    assert (found.key, found.fingerprint) == (key.public, key.fingerprint)
    assert json.loads(data)["statement"]["metrics"]["auc"] == 0.1 + 0.2


def test_the_format_stays_readable() -> None:
    """A certificate that was made when the format was: what it says must be understood for ever."""
    data = (Path(__file__).parent / "certificate-0.json").read_bytes()
    found = read_certificate(data)
    assert found.statement == a_statement()
    assert found.fingerprint == "3b94fa457cf19942a4d23f69188d3524"


@pytest.mark.parametrize(
    "change",
    [
        (b"bit-identical", b"bit-identicaL"),
        (b'"statement":{', b'"statement":{ '),
        (b'"tolerance":1e-6', b'"tolerance":1e-7'),
        (b'"signature":"', b'"signature":"00'),
    ],
)
def test_every_change_is_seen(tmp_path: Path, change: tuple[bytes, bytes]) -> None:
    data = make_certificate(open_key(tmp_path / "key.pem"), a_statement())
    assert change[0] in data
    with pytest.raises(Corrupt, match="does not hold"):
        read_certificate(data.replace(*change))


def test_another_key_under_the_same_statement_does_not_hold(tmp_path: Path) -> None:
    one, two = open_key(tmp_path / "a.pem"), open_key(tmp_path / "b.pem")
    data = make_certificate(one, a_statement())
    with pytest.raises(Corrupt):
        read_certificate(data.replace(one.public.encode(), two.public.encode()))


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"format":"clew.certificate/0"}'])
def test_what_is_no_certificate(data: bytes) -> None:
    with pytest.raises(Invalid, match="no certificate"):
        read_certificate(data)


def test_a_certificate_of_a_newer_clew(tmp_path: Path) -> None:
    data = make_certificate(open_key(tmp_path / "key.pem"), a_statement())
    with pytest.raises(Invalid, match=r"clew\.certificate/9"):
        read_certificate(data.replace(b"clew.certificate/0", b"clew.certificate/9"))
