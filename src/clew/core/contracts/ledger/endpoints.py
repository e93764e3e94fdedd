"""Endpoints, and what their monitors and trials know."""

from __future__ import annotations

from typing import Protocol

from clew.core.types.endpoint import Alert, Endpoint, Trial, Window

__all__ = ["Alerts", "Endpoints", "Trials", "Windows"]


class Endpoints(Protocol):
    """Endpoints by name."""

    def add(self, endpoint: Endpoint) -> None: ...
    def put(self, endpoint: Endpoint) -> None:
        """Add an endpoint, or replace the one of the same id. `Exists` when another one has its name."""
        ...

    def find(self, project: str, name: str) -> Endpoint | None: ...
    def get(self, id: str) -> Endpoint: ...
    def list(self, project: str) -> list[Endpoint]: ...


class Windows(Protocol):
    """What monitors know, by endpoint, version and time."""

    def put(self, window: Window) -> None:
        """Replace the window of the same endpoint, version and start."""
        ...

    def find(self, endpoint: str, version: str, start_us: int) -> Window | None: ...
    def list(self, endpoint: str, *, low_us: int = 0, high_us: int | None = None, version: str = "") -> list[Window]:
        """Windows that start within `[low_us, high_us)`, oldest first."""
        ...


class Trials(Protocol):
    """Challengers against champions."""

    def put(self, trial: Trial) -> None: ...
    def get(self, id: str) -> Trial: ...
    def list(self, endpoint: str) -> list[Trial]:
        """All of an endpoint, oldest first."""
        ...


class Alerts(Protocol):
    """What monitors found."""

    def raise_(self, alert: Alert) -> bool:
        """Add an alert; False when this endpoint has one with the same key."""
        ...

    def list(self, endpoint: str, *, low_us: int = 0, limit: int = 100) -> list[Alert]:
        """Alerts at `low_us` or later, newest first."""
        ...
