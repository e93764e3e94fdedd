"""Endpoints, windows, trials and alerts in SQL."""

from __future__ import annotations

from clew.core.types.endpoint import Alert, Endpoint, Trial, Window
from clew.store.ledger.sql.connection import Connection, Document
from clew.store.ledger.sql.named import Named

__all__ = ["SqlAlerts", "SqlEndpoints", "SqlTrials", "SqlWindows"]

_endpoint = Document(Endpoint)
_window = Document(Window)
_trial = Document(Trial)
_alert = Document(Alert)


class SqlEndpoints(Named[Endpoint]):
    """`clew.core.contracts.ledger.Endpoints`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, table="endpoints", noun="endpoint", document=_endpoint)


class SqlWindows:
    """`clew.core.contracts.ledger.Windows`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def put(self, window: Window) -> None:
        self._c.change(
            "INSERT INTO windows (endpoint, start_us, version, document) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (endpoint, start_us, version) DO UPDATE SET document = excluded.document",
            (window.endpoint, window.start_us, window.version, _window.text(window)),
        )

    def find(self, endpoint: str, version: str, start_us: int) -> Window | None:
        sql = "SELECT document FROM windows WHERE endpoint = ? AND start_us = ? AND version = ?"
        return _window.one(self._c.rows(sql, (endpoint, start_us, version)))

    def list(self, endpoint: str, *, low_us: int = 0, high_us: int | None = None, version: str = "") -> list[Window]:
        limits: list[tuple[str, object]] = [(" AND start_us >= ?", low_us)]
        if high_us is not None:
            limits.append((" AND start_us < ?", high_us))
        if version:
            limits.append((" AND version = ?", version))
        where = "".join(clause for clause, _ in limits)
        sql = f"SELECT document FROM windows WHERE endpoint = ?{where} ORDER BY start_us, version"
        return _window.all(self._c.rows(sql, (endpoint, *(value for _, value in limits))))


class SqlTrials:
    """`clew.core.contracts.ledger.Trials`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def put(self, trial: Trial) -> None:
        self._c.change(
            "INSERT INTO trials (id, endpoint, document) VALUES (?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET document = excluded.document",
            (trial.id, trial.endpoint, _trial.text(trial)),
        )

    def get(self, id: str) -> Trial:
        return _trial.get(self._c.rows("SELECT document FROM trials WHERE id = ?", (id,)), "trial", id)

    def list(self, endpoint: str) -> list[Trial]:
        return _trial.all(self._c.rows("SELECT document FROM trials WHERE endpoint = ? ORDER BY id", (endpoint,)))


class SqlAlerts:
    """`clew.core.contracts.ledger.Alerts`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def raise_(self, alert: Alert) -> bool:
        sql = "INSERT INTO alerts (id, endpoint, key, at_us, document) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        row = (alert.id, alert.endpoint, alert.key, alert.at_us, _alert.text(alert))
        return self._c.change(sql, row) > 0

    def list(self, endpoint: str, *, low_us: int = 0, limit: int = 100) -> list[Alert]:
        sql = (
            "SELECT document FROM alerts WHERE endpoint = ? AND at_us >= ? "
            f"ORDER BY at_us DESC, id DESC LIMIT {int(limit)}"
        )
        return _alert.all(self._c.rows(sql, (endpoint, low_us)))
