"""Words that may name objects are found wherever they stand, and nothing else is."""

from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.store.mention import digests_in, mentions_of, tells_of_removable

ONE, TWO = "0123456789abcdef" * 4, "f" * 64
WORD = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@given(st.lists(st.sampled_from([ONE, TWO, ONE[:63], TWO + "0", " ", '"', "x", "\n", "a", "0" * 31, "ü"]), max_size=12))
def test_every_word_of_64_hex_digits_is_found(parts: list[str]) -> None:
    data = "".join(parts).encode()
    assert [digest.encode() for digest in digests_in(data)] == WORD.findall(data)


@pytest.mark.parametrize("offset", range(70))
def test_a_word_is_found_at_every_place(offset: int) -> None:
    assert list(digests_in(b"z" * offset + ONE.encode() + b"z" * 5)) == [ONE]
    assert list(digests_in(b"z" * offset + ONE.encode())) == [ONE]


def test_what_stands_in_base64_is_found_too() -> None:
    inline = base64.b64encode(b"a document, " + ONE.encode()).decode()
    assert list(mentions_of(json.dumps({"inline": inline}))) == [ONE]
    assert list(mentions_of(json.dumps({"inline": "A" * 201, "digest": TWO}))) == [TWO], "no base64 at all"
    assert list(mentions_of("\ud800 " + ONE)) == [ONE], "half of a pair, as a file name may hold"


def test_what_was_purged_names_nothing() -> None:
    row = {"id": "r", "digest": ONE, "purged_us": 0}
    assert list(mentions_of(json.dumps(row, separators=(",", ":")))) == [ONE]
    assert list(mentions_of(json.dumps({**row, "purged_us": 7}, separators=(",", ":")))) == []


def test_what_only_speaks_of_a_purge_names_what_it_names() -> None:
    for row in ({"params": {"purged_us": 7}, "digest": ONE}, {"digest": ONE, "facts": {"purged_us": 7}}):
        assert list(mentions_of(json.dumps(row, separators=(",", ":")))) == [ONE]


def test_events_about_what_can_be_removed_are_known() -> None:
    def event(kind: str) -> str:
        return json.dumps({"id": "e", "kind": kind, "facts": {}}, separators=(",", ":"))

    for kind in ("run.artifact_added", "version.added", "log.appended", "dataset.added"):
        assert tells_of_removable(event(kind)), kind
    for kind in ("run.reproduced", "alias.moved", "alias.refused"):
        assert not tells_of_removable(event(kind)), kind
