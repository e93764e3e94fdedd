"""Ids: of the form that RFC 9562 gives them, sorted by time, and never the same twice."""

from __future__ import annotations

import os
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from clew.core.ids import Ids, is_id, time_us_of
from clew.testing import ManualClock

NOW_US = 1_359_694_800_123_000


def test_an_id_is_a_uuid_of_version_7_and_holds_its_time() -> None:
    made = Ids(ManualClock(NOW_US + 999), random=lambda size: b"\xff" * size)()
    assert (uuid.UUID(made).version, uuid.UUID(made).variant) == (7, uuid.RFC_4122)
    assert time_us_of(made) == NOW_US
    assert made[16:] == "bfffffffffffffff"
    assert is_id(made)


def test_ids_increase_within_a_millisecond_and_when_the_clock_steps_back() -> None:
    clock = ManualClock(NOW_US)
    ids = Ids(clock)
    made = [ids() for _ in range(3)]
    clock.us = NOW_US - 5_000_000
    made += [ids(), ids()]
    clock.us = NOW_US + 1000
    made.append(ids())
    assert made == sorted(set(made))
    assert [int(one[13:16], 16) for one in made] == [0, 1, 2, 3, 4, 0]


def test_the_counter_of_a_full_millisecond_goes_on_in_the_next() -> None:
    ids = Ids(ManualClock(NOW_US))
    made = [ids() for _ in range(4098)]
    assert made == sorted(set(made))
    assert [time_us_of(one) - NOW_US for one in (made[0], made[4095], made[4096], made[4097])] == [0, 0, 1000, 1000]
    assert [int(one[13:16], 16) for one in made[4095:]] == [4095, 0, 1]


def test_threads_never_get_the_same() -> None:
    ids = Ids(ManualClock(NOW_US), random=lambda size: b"\0" * size)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: ids(), range(2000)))
    assert len(set(made)) == 2000


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "g" * 32, "A" * 32])
def test_other_texts_are_none(text: str) -> None:
    assert not is_id(text)


def test_many_ids_and_many_sources_share_no_random_bits() -> None:
    sources = [Ids(ManualClock(NOW_US)) for _ in range(3)]
    tails = [ids()[16:] for ids in sources for _ in range(2000)]
    assert len(set(tails)) == 6000


def test_a_forked_child_draws_its_own_random_bits() -> None:
    ids = Ids(ManualClock(NOW_US))
    ids()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, ids().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 32).decode()
    os.close(read)
    os.close(write)
    mine = ids()
    assert mine[:16] == theirs[:16]
    assert mine[16:] != theirs[16:]
