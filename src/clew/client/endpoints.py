"""Endpoints on a server."""

from __future__ import annotations

from pathlib import Path

from clew.client.connection import Connection, named, quoted
from clew.core.contracts.objects import Objects
from clew.core.types.endpoint import AddedLabels, Endpoint

__all__ = ["HttpEndpoints"]


class HttpEndpoints:
    """`clew.core.contracts.services.EndpointService` over HTTP. A file of labels travels as an object."""

    def __init__(self, connection: Connection, objects: Objects) -> None:
        self._c, self._objects = connection, objects

    def list(self) -> list[Endpoint]:
        return self._c.get("/endpoints", list[Endpoint])

    def add_labels(
        self, endpoint: str, file: Path, *, label: str, by_id: str = "", by_key: str = "", time_us: int = 0
    ) -> AddedLabels:
        told = {
            "file": self._objects.put_file(file),
            "name": file.name,
            "label": label,
            "by_id": by_id,
            "by_key": by_key,
            "time_us": time_us,
        }
        return self._c.send("POST", f"/endpoints/{quoted(named(endpoint))}/labels", told, AddedLabels)
