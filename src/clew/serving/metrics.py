"""Counts of one replica in the text format that Prometheus reads.

Names and units: docs/reference/metrics.md. One process counts for itself; what is summed over replicas is the
scraper's business.
"""

from __future__ import annotations

import threading
from bisect import bisect_left

__all__ = ["Metrics"]

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """Counters of an endpoint; only the event loop writes them, but for `shadowed`."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self.requests: dict[int, int] = {}
        self.rows = 0
        self.shadow_rows = 0
        self.shadow_failures = 0
        self.shadow_dropped = 0
        self.labels = 0
        self.swaps = 0
        self.denied = 0
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._seconds = 0.0
        self._lock = threading.Lock()

    def shadowed(self, *, rows: int = 0, failures: int = 0) -> None:
        """Count what a shadow did. Any thread."""
        with self._lock:
            self.shadow_rows += rows
            self.shadow_failures += failures

    def count(self, status: int) -> None:
        """Count one request that was refused before it was whole."""
        self.requests[status] = self.requests.get(status, 0) + 1

    def observe(self, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.requests[status] = self.requests.get(status, 0) + 1
        self._buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self._seconds += seconds

    def text(self, *, model: str, version: int) -> str:
        """The exposition, version 0.0.4."""
        label = f'endpoint="{_escaped(self._endpoint)}"'
        lines = _family("clew_requests_total", "counter", "Requests for decisions by HTTP status.")
        lines += [f'clew_requests_total{{{label},status="{s}"}} {n}' for s, n in sorted(self.requests.items())]
        for name, value, text in (
            ("clew_predictions_total", self.rows, "Rows decided and logged."),
            ("clew_shadow_predictions_total", self.shadow_rows, "Rows scored by versions in shadow."),
            ("clew_shadow_failures_total", self.shadow_failures, "Requests that a version in shadow could not score."),
            ("clew_shadow_dropped_total", self.shadow_dropped, "Requests that a slow version in shadow was not given."),
            ("clew_labels_total", self.labels, "Labels received."),
            ("clew_denials_total", self.denied, "Requests without a key that is known."),
            ("clew_swaps_total", self.swaps, "Changes of the served version."),
        ):
            lines += [*_family(name, "counter", text), f"{name}{{{label}}} {value}"]
        lines += self._histogram(label)
        lines += _family("clew_served_version", "gauge", "The version that answers.")
        lines.append(f'clew_served_version{{{label},model="{_escaped(model)}"}} {version}')
        return "\n".join(lines) + "\n"

    def _histogram(self, label: str) -> list[str]:
        name = "clew_request_seconds"
        lines = _family(name, "histogram", "Time from the whole request to the whole answer, seconds.")
        total = 0
        for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), self._buckets, strict=True):
            total += count
            lines.append(f'{name}_bucket{{{label},le="{bound}"}} {total}')
        return [*lines, f"{name}_sum{{{label}}} {self._seconds}", f"{name}_count{{{label}}} {total}"]


def _family(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
