"""What the machine does while a run goes on: processor, memory, disk, network and accelerators, as series `system.*`.

A thread looks every few seconds, and ever less often the longer a run lasts or the longer a look takes, so that it
costs less than a thousandth of one processor. Not what the machine is (`hardware`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from clew.core.extras import require
from clew.core.types.series import SYSTEM
from clew.tracking.capture.nvidia import NvidiaDevices

__all__ = ["Gauges", "Watch", "pause_s"]

_FIRST_S, _LONGEST_S = 5.0, 60.0
_COST, _AGE = 1000, 1 / 200


def pause_s(age_s: float, cost_s: float) -> float:
    """How long to wait until the next look, for a run of this age whose last look cost so much time of a processor."""
    return min(max(_FIRST_S, age_s * _AGE, cost_s * _COST), max(_LONGEST_S, cost_s * _COST))


class Gauges:
    """What can be read of the machine, and of this process with those that it has started."""

    def __init__(self) -> None:
        self._psutil: Any = require("psutil")
        self._mine = self._psutil.Process()
        self._nvidia = NvidiaDevices()
        self._before_s = time.monotonic()
        self._counts = self._read_counts()
        self._cpu_s = self._tree()[0]
        self._psutil.cpu_percent()

    def read(self) -> dict[str, float]:
        """One value of each gauge; rates are those since the last look."""
        now_s = time.monotonic()
        passed_s, self._before_s = max(now_s - self._before_s, 1e-3), now_s
        cpu_s, memory_bytes = self._tree()
        used = sum(max(cpu_s[pid] - self._cpu_s.get(pid, 0.0), 0.0) for pid in cpu_s)
        before, self._counts, self._cpu_s = self._counts, self._read_counts(), cpu_s
        found = {
            "cpu_percent": self._psutil.cpu_percent(),
            "memory_percent": self._psutil.virtual_memory().percent,
            "process.cpu_percent": used / passed_s * 100,
            "process.memory_bytes": memory_bytes,
            **{name: max(self._counts[name] - before.get(name, 0.0), 0.0) / passed_s for name in self._counts},
            **self._nvidia.read(),
        }
        return {SYSTEM + name: float(value) for name, value in found.items()}

    def _tree(self) -> tuple[dict[int, float], float]:
        """Seconds of processor by process id, and memory of all."""
        cpu_s, memory_bytes = {}, 0.0
        for process in [self._mine, *self._mine.children(recursive=True)]:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    cpu_s[process.pid] = times.user + times.system
                    memory_bytes += process.memory_info().rss
            except self._psutil.Error:  # it has ended meanwhile
                continue
        return cpu_s, memory_bytes

    def _read_counts(self) -> dict[str, float]:
        disk, network = self._psutil.disk_io_counters(), self._psutil.net_io_counters()
        found: dict[str, float] = {}
        if disk is not None:
            found |= {"disk.read_bytes_per_s": disk.read_bytes, "disk.written_bytes_per_s": disk.write_bytes}
        if network is not None:
            found |= {
                "network.sent_bytes_per_s": network.bytes_sent,
                "network.received_bytes_per_s": network.bytes_recv,
            }
        return found


class Watch:
    """Reads the gauges in the background, until `stop`.

    Args:
        log: takes the values of one look.
        pause: how long to wait, by the age of the watch and the cost of its last look, in seconds.
    """

    def __init__(
        self,
        log: Callable[[dict[str, float]], object],
        *,
        pause: Callable[[float, float], float] = pause_s,
    ) -> None:
        self._log, self._pause = log, pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="clew-system", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def _work(self) -> None:
        began, cost_s = time.monotonic(), 0.0
        if self._over.wait(self._pause(0.0, 0.0) / 5):  # what is over by then is not worth a look
            return
        try:
            gauges = Gauges()
            while not self._over.wait(self._pause(time.monotonic() - began, cost_s)):
                before = time.thread_time()
                self._log(gauges.read())
                cost_s = time.thread_time() - before
        except Exception:  # a worker loop: a machine that cannot be read is no reason to fail a training
            import logging

            logging.getLogger("clew.tracking").warning("the machine is watched no more", exc_info=True)
