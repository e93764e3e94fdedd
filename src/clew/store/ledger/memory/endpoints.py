"""Endpoints, windows, trials and alerts in memory."""

from __future__ import annotations

from clew.core.errors import NotFound
from clew.core.types.endpoint import Alert, Endpoint, Trial, Window
from clew.store.ledger.memory.named import NamedRows
from clew.store.ledger.memory.tables import Tables, add_row

__all__ = ["MemoryAlerts", "MemoryEndpoints", "MemoryTrials", "MemoryWindows"]


class MemoryEndpoints(NamedRows[Endpoint]):
    """`clew.core.contracts.ledger.Endpoints`."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables.endpoints, "endpoint")


class MemoryWindows:
    """`clew.core.contracts.ledger.Windows`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.windows

    def put(self, window: Window) -> None:
        self._rows[window.endpoint, window.start_us, window.version] = window

    def find(self, endpoint: str, version: str, start_us: int) -> Window | None:
        return self._rows.get((endpoint, start_us, version))

    def list(self, endpoint: str, *, low_us: int = 0, high_us: int | None = None, version: str = "") -> list[Window]:
        found = [
            window
            for window in self._rows.values()
            if window.endpoint == endpoint
            and window.start_us >= low_us
            and (high_us is None or window.start_us < high_us)
            and (not version or window.version == version)
        ]
        return sorted(found, key=lambda window: (window.start_us, window.version))


class MemoryTrials:
    """`clew.core.contracts.ledger.Trials`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.trials

    def put(self, trial: Trial) -> None:
        self._rows[trial.id] = trial

    def get(self, id: str) -> Trial:
        if id not in self._rows:
            raise NotFound("trial", id)
        return self._rows[id]

    def list(self, endpoint: str) -> list[Trial]:
        return sorted((trial for trial in self._rows.values() if trial.endpoint == endpoint), key=lambda t: t.id)


class MemoryAlerts:
    """`clew.core.contracts.ledger.Alerts`."""

    def __init__(self, tables: Tables) -> None:
        self._rows = tables.alerts

    def raise_(self, alert: Alert) -> bool:
        return add_row(self._rows, (alert.endpoint, alert.key), alert)

    def list(self, endpoint: str, *, low_us: int = 0, limit: int = 100) -> list[Alert]:
        found = [alert for alert in self._rows.values() if alert.endpoint == endpoint and alert.at_us >= low_us]
        return sorted(found, key=lambda alert: (alert.at_us, alert.id), reverse=True)[:limit]
