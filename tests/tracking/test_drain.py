"""Points reach the ledger once and in order, whatever fails on the way."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.core.errors import Unavailable
from clew.core.types.series import SeriesBlock
from clew.tracking.drain import Drain, blocks_of, drained_until
from clew.tracking.journal import Journal
from clew.tracking.series import BLOCK_POINTS, join, points_of
from clew.tracking.slots import Slots

RUN = "01" * 16


class Sink:
    """A ledger that may be out of reach, and adds a source once."""

    def __init__(self) -> None:
        self.blocks: dict[tuple[str, str], SeriesBlock] = {}
        self.failures = 0
        self.sent = threading.Event()

    def __call__(self, blocks: Sequence[SeriesBlock]) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("the ledger is gone")
        for block in blocks:
            self.blocks.setdefault((block.key, block.source), block)
        self.sent.set()

    def series(self, key: str) -> tuple[list[float], list[float]]:
        points = join(points_of(block) for (name, _), block in self.blocks.items() if name == key)
        return points.steps.tolist(), points.values.tolist()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "j", RUN, smallest=500)
    yield journal
    journal.close(delete=True)


def test_at_the_end_everything_is_there(journal: Journal) -> None:
    sink = Sink()
    drain = Drain(journal, sink, say=pytest.fail)
    drain.start()
    for step in range(10_000):
        journal.log({"loss": step / 7, "acc": -step}, step)
    drain.finish()
    assert sink.series("loss") == (list(range(10_000)), [step / 7 for step in range(10_000)])
    assert sink.series("acc")[1] == [-step for step in range(10_000)]
    assert max(block.count for block in sink.blocks.values()) <= BLOCK_POINTS


def test_a_drain_that_costs_much_is_not_due_again_soon(journal: Journal) -> None:
    drain = Drain(journal, Sink(), say=pytest.fail)
    drain._last = time.monotonic() - 2
    assert drain._due()
    drain._cost_s = 1e6
    assert not drain._due()


def test_points_are_visible_before_the_end(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.tracking.drain._TICK_S", 0.001)
    monkeypatch.setattr("clew.tracking.drain._FIRST_S", 0.01)
    sink = Sink()
    drain = Drain(journal, sink, say=pytest.fail)
    drain.start()
    journal.log({"loss": 1}, 1)
    assert sink.sent.wait(60)
    assert sink.series("loss") == ([1], [1.0])
    drain.finish()


def test_a_ledger_out_of_reach_is_said_once_and_tried_again(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.tracking.drain._TICK_S", 0.001)
    monkeypatch.setattr("clew.tracking.drain._FIRST_S", 0.0)
    said: list[str] = []
    sink = Sink()
    sink.failures = 2
    drain = Drain(journal, sink, say=said.append)
    journal.log({"loss": 1}, 1)
    drain._try()
    drain._try()
    assert drain._wait_s == 2.0
    drain._try()
    assert sink.series("loss") == ([1], [1.0])
    assert len(said) == 1
    assert "the ledger is gone" in said[0]
    assert drain._wait_s == 0.0


def test_an_unreachable_ledger_at_the_end_is_an_error_and_the_journal_keeps_all(journal: Journal) -> None:
    sink = Sink()
    sink.failures = 1
    drain = Drain(journal, sink, say=pytest.fail)
    journal.log({"loss": 1}, 1)
    with pytest.raises(Unavailable):
        drain.finish()
    drain.flush()
    assert sink.series("loss") == ([1], [1.0])


POINT = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.floats(allow_nan=False, allow_infinity=False)),
    st.floats(),
)


@settings(max_examples=60, deadline=None)
@given(points=st.lists(POINT, max_size=60))
def test_blocks_hold_every_point_of_a_batch_in_order(points: list[tuple[str, float, float]]) -> None:
    keys = {"a": 3, "b": 0, "c": 70_000}
    real = np.array([isinstance(step, float) for _, step, _ in points], dtype=bool)
    raw = [np.float64(step).view(np.int64) if isinstance(step, float) else step for _, step, _ in points]
    slots = Slots(
        numbers=np.arange(len(points)) * 2 + 5,
        keys=np.array([keys[key] for key, _, _ in points], dtype=np.uint32),
        steps=np.array(raw, dtype=np.int64),
        times_us=np.arange(len(points)),
        values=np.array([value for _, _, value in points], dtype=np.float64),
        float_step=real,
        names={number: key for key, number in keys.items()},
    )
    blocks = list(blocks_of(RUN, "ab", slots))
    for key in keys:
        mine = [block for block in blocks if block.key == key]
        found = [pair for block in mine for pair in zip(*(c.tolist() for c in points_of(block)[::2]), strict=True)]
        expected = [(step, value) for name, step, value in points if name == key]
        assert len(found) == len(expected)
        for (step, value), (wanted, number) in zip(found, expected, strict=True):
            assert step == wanted
            assert value == number or math.isnan(value)
        assert drained_until("ab", [block.source for block in mine]) == max(
            (5 + 2 * i for i, (name, _, _) in enumerate(points) if name == key), default=-1
        )


def test_sources_of_other_journals_say_nothing() -> None:
    assert drained_until("ab", ["ab:0-9", "abc:0-99", "ab:10-12", "import"]) == 12
    assert drained_until("ab", []) == -1


_LOADED = """
import sys
from pathlib import Path
from clew.core.types.run import RunKind
from clew.testing.project import open_stores
from clew.tracking.recorder import Recorder
from clew.tracking.start import start
kind = RunKind(sys.argv[2])
with start(Recorder.of(open_stores(Path(sys.argv[1]))), capture=False, kind=kind):
    print(kind, sorted(sys.modules.keys() & {"numpy", "zstandard"}))
"""


@pytest.mark.parametrize(("kind", "loaded"), [("script", "['numpy', 'zstandard']"), ("pipeline", "[]")])
def test_what_the_drain_needs_is_loaded_before_a_script_logs(tmp_path: Path, kind: str, loaded: str) -> None:
    """Loading it holds up all threads for tens of milliseconds, in whatever thread it happens."""
    words = [sys.executable, "-c", _LOADED, str(tmp_path), kind]
    assert subprocess.check_output(words, text=True).strip() == f"{kind} {loaded}"
