"""Who may ask an endpoint."""

from __future__ import annotations

import random
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Exists, NotFound
from clew.serving.keys import KeyRing, add_key, list_keys, remove_key
from clew.testing.disk import FaultyDisk
from clew.testing.project import open_stores


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    found = open_stores(tmp_path)
    found.folder.mkdir(parents=True, exist_ok=True)
    yield found
    found.ledger.close()


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


Ring = Callable[..., KeyRing]


@pytest.fixture
def ring(stores: Stores, seconds: Seconds) -> Ring:
    return lambda required=False: KeyRing(stores.folder, "late", required=required, clock=seconds)


def test_a_key_is_stored_as_its_digest_only_and_for_the_user_only(stores: Stores) -> None:
    secret = add_key(stores, "late", "ann")
    file = stores.folder / "endpoint-keys.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert secret not in file.read_text()
    assert secret.removeprefix("clew_") not in file.read_text()
    assert [(key.endpoint, key.name) for key in list_keys(stores.folder)] == [("late", "ann")]
    with stores.ledger.read() as tx:
        [event] = tx.events.list(stores.project, kind="endpoint.key_added").items
    assert event.facts["name"] == "ann"
    assert secret not in str(event)


def test_a_ring_lets_in_who_has_a_key_of_its_endpoint(stores: Stores, ring: Ring) -> None:
    ours, second, others = add_key(stores, "late", "a"), add_key(stores, "late", "b"), add_key(stores, "other", "a")
    found = ring()
    assert found.allows(f"Bearer {ours}")
    assert found.allows(f"bearer  {second} ")
    for wrong in (f"Bearer {others}", f"Bearer {ours}x", f"Basic {ours}", ours, "", "Bearer", "Bearer \xff", "Bearer "):
        assert not found.allows(wrong)


def test_a_ring_sees_what_changes_while_it_runs(stores: Stores, ring: Ring, seconds: Seconds) -> None:
    found = ring()
    assert found.allows("")
    secret = add_key(stores, "late", "ann")
    seconds.now += 0.2
    assert not found.allows("")
    assert found.allows(f"Bearer {secret}")
    remove_key(stores, "late", "ann")
    seconds.now += 0.2
    assert found.allows("")


def test_where_keys_are_required_nobody_is_let_in_without_one(stores: Stores, ring: Ring, seconds: Seconds) -> None:
    secret = add_key(stores, "late", "ann")
    found = ring(required=True)
    assert found.allows(f"Bearer {secret}")
    remove_key(stores, "late", "ann")
    seconds.now += 0.2
    assert not found.allows(f"Bearer {secret}")
    (stores.folder / "endpoint-keys.json").unlink()
    seconds.now += 0.2
    assert not found.allows("")


def test_a_broken_file_leaves_the_keys_in_force(stores: Stores, ring: Ring, seconds: Seconds) -> None:
    secret = add_key(stores, "late", "ann")
    found = ring()
    (stores.folder / "endpoint-keys.json").write_text("nonsense")
    seconds.now += 0.2
    assert found.allows(f"Bearer {secret}")
    assert not found.allows("")
    with pytest.raises(Corrupt, match="holds no keys"):
        ring()


def test_names_are_taken_once_and_must_be_there_to_go(stores: Stores) -> None:
    add_key(stores, "late", "ann")
    with pytest.raises(Exists, match="late/ann"):
        add_key(stores, "late", "ann")
    with pytest.raises(NotFound, match="did you mean ann"):
        remove_key(stores, "late", "bob")


def test_keys_that_are_made_together_are_all_kept(stores: Stores) -> None:
    threads = [threading.Thread(target=add_key, args=(stores, "late", f"k{i}")) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in list_keys(stores.folder)} == {f"k{i}" for i in range(6)}


def test_a_key_that_was_removed_counts_no_more_behind_a_loss_of_power(stores: Stores, tmp_path: Path) -> None:
    with FaultyDisk(stores.folder) as disk:
        add_key(stores, "late", "ann")
        add_key(stores, "late", "bob")
        remove_key(stores, "late", "ann")
        for seed in range(20):
            left = disk.after_power_loss(tmp_path / f"left {seed}", random.Random(seed))
            assert [key.name for key in list_keys(left)] == ["bob"]
