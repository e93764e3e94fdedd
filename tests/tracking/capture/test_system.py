"""What the machine does is read from the machine, and costs next to nothing."""

from __future__ import annotations

import os
import threading
import time

import pytest

from clew.core.contracts.stores import Stores
from clew.tracking.capture.nvidia import NvidiaDevices
from clew.tracking.capture.system import Gauges, Watch, pause_s
from clew.tracking.recorder import Recorder
from clew.tracking.runs import LedgerRuns
from clew.tracking.start import start


def test_gauges_see_what_this_process_does() -> None:
    began_s = time.monotonic()
    gauges = Gauges()
    held, until_s = bytearray(os.urandom(1 << 20)) * 64, time.process_time() + 0.2
    while time.process_time() < until_s:
        pass
    found = gauges.read()
    assert found["system.process.cpu_percent"] > 0.15 / (time.monotonic() - began_s) * 100
    assert found["system.process.memory_bytes"] > len(held)
    assert 0 <= found["system.memory_percent"] <= 100
    assert all(value >= 0 for value in found.values())
    assert {"system.cpu_percent", "system.network.sent_bytes_per_s"} <= found.keys()


def test_without_a_driver_there_are_no_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.tracking.capture.nvidia._LIBRARY", "libno-such-library.so")
    assert NvidiaDevices().read() == {}


@pytest.mark.parametrize(
    ("age_s", "cost_s", "expected"),
    [(0, 0, 5), (10_000, 0, 50), (1e6, 0, 60), (0, 0.02, 20), (1e6, 0.2, 200)],
)
def test_looks_are_rare_enough_to_cost_nothing(age_s: float, cost_s: float, expected: float) -> None:
    assert pause_s(age_s, cost_s) == expected
    assert cost_s <= pause_s(age_s, cost_s) / 1000


def test_a_watch_looks_until_it_is_stopped() -> None:
    seen: list[dict[str, float]] = []
    watch = Watch(seen.append, pause=lambda _age, _cost: 0.01)
    deadline = time.monotonic() + 60
    while len(seen) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    watch.stop()
    watch._thread.join()
    assert len(seen) >= 3


@pytest.mark.parametrize("on", [True, False])
def test_a_run_records_what_the_machine_does(stores: Stores, monkeypatch: pytest.MonkeyPatch, on: bool) -> None:
    looked = threading.Semaphore(0)

    def pause(_age: float, _cost: float) -> float:
        looked.release()
        return 0.01

    monkeypatch.setattr(Watch.__init__, "__kwdefaults__", {"gauges": Gauges, "pause": pause})
    recorder = Recorder.of(stores)
    with start(recorder if on else Recorder(**{**vars(recorder), "system": False})) as run:
        for _ in range(3):  # before the gauges are made, before they are read, and when that is logged
            assert looked.acquire(timeout=60 if on else 0.1) is on
    found = {series.key: series.count for series in LedgerRuns(stores).summaries([run.id])}
    assert (found.get("system.cpu_percent", 0) > 0) is on
