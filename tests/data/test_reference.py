from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid, NotFound
from clew.core.ids import Digest
from clew.core.types.dataset import Dataset, DatasetKind, DatasetVersion
from clew.core.types.reference import Reference
from clew.data.reference import parse, resolve


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture
def flights(stores: Stores) -> Stores:
    with stores.ledger.write() as tx:
        for name, kind in (
            ("flights", DatasetKind.FILES),
            ("decisions", DatasetKind.LOG),
            ("empty", DatasetKind.FILES),
        ):
            tx.datasets.add(Dataset(id=name, project="test", name=name, kind=kind, created_us=0))
        for number, at in enumerate(["2026-01-30T23:59:59", "2026-01-31T23:59:59", "2026-02-01T00:00:00"], start=1):
            digest = Digest(f"{number}" * 64)
            version = DatasetVersion(
                id=f"v{number}",
                dataset="flights",
                name="flights",
                kind=DatasetKind.FILES,
                number=number,
                digest=digest,
                manifest=digest,
                rows=1,
                size_bytes=1,
                created_us=us(at),
                created_by="someone",
            )
            tx.datasets.add_version(version)
    return stores


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("flights", 3),
        ("flights@latest", 3),
        ("flights@1", 1),
        ("flights@02", 2),
        ("flights@2026-01-30", 1),
        ("flights@2026-01-31", 2),
        ("flights@2026-02-01", 3),
        ("flights@2030-12-31", 3),
    ],
)
def test_a_reference_means_one_version(flights: Stores, text: str, number: int) -> None:
    with flights.ledger.read() as tx:
        assert resolve(tx, "test", text).number == number


@pytest.mark.parametrize("text", ["flights@4", "flights@0", "flights@2026-01-29", "empty", "flights@" + "9" * 40])
def test_a_version_that_is_not_there_is_not_found(flights: Stores, text: str) -> None:
    with flights.ledger.read() as tx, pytest.raises(NotFound) as caught:
        resolve(tx, "test", text)
    assert caught.value.kind == "version"
    assert "clew data show" in caught.value.hint


def test_a_name_that_looks_alike_is_proposed(flights: Stores) -> None:
    with flights.ledger.read() as tx, pytest.raises(NotFound, match="did you mean flights") as caught:
        resolve(tx, "test", "fligths@1")
    assert caught.value.near == ["flights"]
    assert "clew data list" in caught.value.hint
    with flights.ledger.read() as tx, pytest.raises(NotFound):
        resolve(tx, "another project", "flights@1")


@pytest.mark.parametrize("text", ["flights@", "flights@main", "flights@2026-02-30", "", "@1", "a b@1"])
def test_what_is_no_reference_is_invalid(flights: Stores, text: str) -> None:
    with flights.ledger.read() as tx, pytest.raises(Invalid):
        resolve(tx, "test", text)


def test_a_log_has_no_versions(flights: Stores) -> None:
    with flights.ledger.read() as tx, pytest.raises(Invalid, match="positions"):
        resolve(tx, "test", "decisions@1")


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True), st.integers(0, 10**9))
def test_a_reference_survives_its_own_text(name: str, number: int) -> None:
    reference = Reference(name, str(number))
    assert parse(str(reference)) == reference
    assert parse(name) == Reference(name, "latest")
