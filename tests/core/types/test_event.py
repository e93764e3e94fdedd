"""The format of the chain is frozen: fixed events have fixed hashes, here and in every later version."""

from __future__ import annotations

import msgspec
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from clew.core.ids import Digest
from clew.core.types.dataset import LogBatch
from clew.core.types.event import START, Event, chain_hash
from clew.core.types.model import Alias
from clew.store.account import row_digest, series_digests
from clew.store.ledger.memory import MemoryLedger
from clew.testing.ledger.examples import a_block

MOVED = Event(
    id="01941f297c007000800000000000000a",
    project="01941f297c0070008000000000000001",
    at_us=1_735_689_600_000_000,
    actor="änn",
    kind="alias.moved",
    subject="model:7",
    facts={"to": 2, "rate": 0.25, "whole": 1.0, "none": None, "list": [True, "x"]},
)
DOCUMENT = (
    '{"id":"01941f297c007000800000000000000a","project":"01941f297c0070008000000000000001",'
    '"at_us":1735689600000000,"actor":"änn","kind":"alias.moved","subject":"model:7",'
    '"facts":{"to":2,"rate":0.25,"whole":1.0,"none":null,"list":[true,"x"]}}'
)


def test_the_hash_of_an_event_is_frozen() -> None:
    assert msgspec.json.encode(MOVED).decode() == DOCUMENT
    first = chain_hash(1, START, DOCUMENT)
    assert first == "c1837b7b53898b2228c65e1bb29e66866c4ad3d514d22beaaa4c5a609e292ac6"
    assert chain_hash(2, first, DOCUMENT) == "c41cfb1938501d05831095c172e17bed74753db26a9cb3d94978b8e4c4ba9961"


def test_the_hash_is_what_the_design_says() -> None:
    said = b"clew.event/1\0" + b"12" + b"\0" + b"a" * 64 + b"\0" + DOCUMENT.encode()
    assert chain_hash(12, "a" * 64, DOCUMENT) == blake3(said).hexdigest()


def test_the_digest_of_a_row_is_frozen() -> None:
    move = Alias(model="m", alias="champion", position=1, number=2, version="v", moved_us=3, moved_by="ann")
    assert row_digest(move) == "9a51e6481797673a0e4f3bfd5e744b0866ad3b8aa5605656e77f112aeaff7f79"


def test_the_digest_of_a_series_is_frozen() -> None:
    ledger = MemoryLedger()
    with ledger.write() as tx:
        tx.series.append([a_block("j@1", 0.5), a_block("j@2", float("nan"), step=2)])
        assert series_digests(tx, "r") == {"loss": "f338c4863762037986e9ee49b40f255824a5aab220d9777d6da22c8a102e655a"}


def test_a_field_with_its_default_changes_no_digest_of_a_row() -> None:
    class Before(msgspec.Struct):
        a: int
        b: list[str] = []

    class After(msgspec.Struct):
        a: int
        b: list[str] = []
        c: str = ""
        d: dict[str, int] = {}

    assert row_digest(Before(1)) == row_digest(After(1))
    assert row_digest(Before(1)) != row_digest(After(1, c="x"))


def test_every_field_of_a_row_changes_its_digest() -> None:
    batch = LogBatch(
        dataset="d",
        position=1,
        object=Digest("o"),
        rows=1,
        size_bytes=1,
        time_low_us=1,
        time_high_us=1,
        id_low="a",
        id_high="b",
        created_us=1,
        source="s",
    )
    changed = {
        row_digest(msgspec.structs.replace(batch, **{name: 7 if isinstance(getattr(batch, name), int) else "7"}))
        for name in batch.__struct_fields__
    }
    assert len(changed | {row_digest(batch)}) == len(batch.__struct_fields__) + 1


texts, hashes = st.text(max_size=20), st.text("0123456789abcdef", min_size=64, max_size=64)
places = st.tuples(st.integers(1, 10**12), hashes, texts)


@given(places, places)
def test_no_two_places_have_one_hash(one: tuple[int, str, str], other: tuple[int, str, str]) -> None:
    assert (chain_hash(*one) == chain_hash(*other)) is (one == other)
