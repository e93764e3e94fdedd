"""A run whose process is gone elsewhere is found by its silence, and by nothing else."""

from __future__ import annotations

import pytest

from clew.core.contracts.stores import Stores
from clew.core.types.run import RunStatus
from clew.testing.runs import ONE, TWO, a_run
from clew.tracking.lost import Lost
from clew.tracking.runs import LedgerRuns


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def runs(stores: Stores) -> LedgerRuns:
    runs = LedgerRuns(stores)
    runs.create(a_run(), experiment="e")
    runs.create(a_run(TWO), experiment="e")
    runs.beat(ONE)
    return runs


def test_a_silent_run_is_lost_and_one_that_never_beat_is_not(stores: Stores, runs: LedgerRuns) -> None:
    clock = Clock()
    lost = Lost(clock_s=clock, after_s=90)
    assert lost.look(stores) == []
    clock.now = 89
    assert lost.look(stores) == []
    clock.now = 91
    assert lost.look(stores) == [ONE]
    run = runs.get(ONE)
    assert run.status is RunStatus.LOST
    assert run.reason == "no sign of life of its process for 90 s"
    assert run.ended_us <= stores.clock.now_us()
    assert runs.get(TWO).status is RunStatus.RUNNING
    clock.now = 1000
    assert lost.look(stores) == []


def test_a_run_that_beats_lives_however_long_it_runs(stores: Stores, runs: LedgerRuns) -> None:
    clock = Clock()
    lost = Lost(clock_s=clock, after_s=90)
    for _ in range(10):
        runs.beat(ONE)
        assert lost.look(stores) == []
        clock.now += 80


def test_who_looks_for_the_first_time_loses_nobody(stores: Stores, runs: LedgerRuns) -> None:
    clock = Clock()
    clock.now = 1e9
    assert Lost(clock_s=clock, after_s=90).look(stores) == []


def test_one_that_was_believed_to_be_lost_runs_again_with_its_next_beat(stores: Stores, runs: LedgerRuns) -> None:
    clock = Clock()
    lost = Lost(clock_s=clock, after_s=1)
    lost.look(stores)
    clock.now = 2
    assert lost.look(stores) == [ONE]
    assert runs.beat(ONE).status is RunStatus.RUNNING
    runs.describe(ONE, params={"late": 1})
    runs.finish(ONE, RunStatus.FINISHED, ended_us=7)
    clock.now = 20
    assert lost.look(stores) == []
    assert runs.get(ONE).status is RunStatus.FINISHED


def test_a_beat_between_look_and_verdict_saves_the_run(stores: Stores, runs: LedgerRuns) -> None:
    with stores.ledger.read() as tx:
        (beat,) = tx.beats.list(stores.project)
    runs.beat(ONE)
    assert not runs.lose(beat, reason="lost: x")
    assert runs.get(ONE).status is RunStatus.RUNNING
