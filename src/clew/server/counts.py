"""Counts of a server for Prometheus, over all of its processes.

Each process counts for itself and writes its counts to a file now and then, in a folder named by the process that
started it; whoever is scraped adds up what all processes of this server have written, those that have ended among them,
so that no counter ever falls. Names and units: docs/reference/metrics.md.
"""

from __future__ import annotations

import os
import shutil
import time
from bisect import bisect_left
from pathlib import Path

import msgspec

__all__ = ["Counts", "forget_counts"]

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0)
_EVERY_S = 2.0
_FOLDER = "server-counts"


class _Kept(msgspec.Struct):
    """What one process has counted: requests by method, route and status; by method and route, seconds in buckets."""

    requests: dict[str, int] = {}
    buckets: dict[str, list[int]] = {}
    seconds: dict[str, float] = {}
    refused: int = 0


class Counts:
    """What one process counts. Only its event loop writes.

    Args:
        folder: where the processes of a server leave their counts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._folder = folder / _FOLDER / str(os.getppid())
        self._file = self._folder / f"{os.getpid()}.counts"
        self._kept = _Kept()
        self._written = 0.0
        self.active = 0

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        where = f"{method} {route}"
        kept = self._kept
        asked = f"{where} {status}"
        kept.requests[asked] = kept.requests.get(asked, 0) + 1
        kept.refused += status == 401
        kept.seconds[where] = kept.seconds.get(where, 0.0) + seconds
        if where not in kept.buckets:  # last: who reads meanwhile finds the rest of what is here
            kept.buckets[where] = [0] * (len(BUCKETS_S) + 1)
        kept.buckets[where][bisect_left(BUCKETS_S, seconds)] += 1
        if time.monotonic() - self._written > _EVERY_S:
            self.write()

    def write(self) -> None:
        """Leave the counts where the other processes find them; a disk that is full costs counts, not requests."""
        self._written = time.monotonic()
        fresh = self._file.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(msgspec.msgpack.encode(self._kept))
            fresh.replace(self._file)
        except OSError:
            return

    def text(self) -> str:
        """The counts of all processes, as Prometheus reads them; beside the event loop, which goes on to count."""
        mine = msgspec.msgpack.decode(msgspec.msgpack.encode(self._kept), type=_Kept)
        return _rendered(_sum([mine, *self._others()]), self.active)

    def _others(self) -> list[_Kept]:
        found = []
        for file in sorted(self._folder.glob("*.counts")):
            if file != self._file:
                try:
                    found.append(msgspec.msgpack.decode(file.read_bytes(), type=_Kept))
                except (OSError, msgspec.DecodeError):
                    continue
        return found


def forget_counts(folder: Path) -> None:
    """Begin anew: a server counts from its start. Counts of servers that are gone are removed."""
    for of_server in (folder / _FOLDER).glob("[0-9]*"):
        if int(of_server.name) == os.getpid() or not _lives(int(of_server.name)):
            shutil.rmtree(of_server, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sum(several: list[_Kept]) -> _Kept:
    total = _Kept(requests={}, buckets={}, seconds={})
    for kept in several:
        total.refused += kept.refused
        for key, count in kept.requests.items():
            total.requests[key] = total.requests.get(key, 0) + count
        for key, buckets in kept.buckets.items():
            had = total.buckets.get(key, [0] * len(buckets))
            total.buckets[key] = [a + b for a, b in zip(had, buckets, strict=True)]
        for key, seconds in kept.seconds.items():
            total.seconds[key] = total.seconds.get(key, 0.0) + seconds
    return total


def _rendered(kept: _Kept, active: int) -> str:
    lines = ["# TYPE clew_server_requests_total counter"]
    for key, count in sorted(kept.requests.items()):
        method, route, status = key.split(" ")
        lines.append(f'clew_server_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}')
    lines.append("# TYPE clew_server_seconds histogram")
    for key, buckets in sorted(kept.buckets.items()):
        method, route = key.split(" ")
        labels, below = f'method="{method}",route="{route}"', 0
        for edge, count in zip((*BUCKETS_S, "+Inf"), buckets, strict=True):
            below += count
            lines.append(f'clew_server_seconds_bucket{{{labels},le="{edge}"}} {below}')
        lines.append(f"clew_server_seconds_sum{{{labels}}} {kept.seconds[key]:.6f}")
        lines.append(f"clew_server_seconds_count{{{labels}}} {below}")
    lines += ["# TYPE clew_server_tokens_refused_total counter", f"clew_server_tokens_refused_total {kept.refused}"]
    lines += ["# TYPE clew_server_active_requests gauge", f"clew_server_active_requests {active}"]
    return "\n".join(lines) + "\n"
