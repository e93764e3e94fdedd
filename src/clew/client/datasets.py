"""Datasets on a server. What versions hold travels as objects."""

from __future__ import annotations

from collections.abc import Sequence

from clew.client.connection import Connection, named, quoted
from clew.core.paging import Page
from clew.core.types.dataset import Dataset, DatasetVersion
from clew.core.types.edge import Node

__all__ = ["HttpDatasets"]


class HttpDatasets:
    """`clew.core.contracts.services.DatasetService` over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def find(self, name: str) -> Dataset | None:
        return next(iter(self._c.get("/datasets", list[Dataset], name=name)), None) if name else None

    def commit(self, version: DatasetVersion, *, parents: Sequence[Node] = ()) -> DatasetVersion:
        return self._c.send("POST", "/datasets", {"version": version, "parents": list(parents)}, DatasetVersion)

    def resolve(self, reference: str) -> DatasetVersion:
        return self._c.get("/dataset-versions", DatasetVersion, reference=named(reference))

    def version(self, id: str) -> DatasetVersion:
        return self._c.get(f"/dataset-versions/{quoted(id)}", DatasetVersion)

    def versions(self, name: str, *, limit: int = 100, after: str = "") -> Page[DatasetVersion]:
        path = f"/datasets/{quoted(named(name))}/versions"
        return self._c.get(path, Page[DatasetVersion], limit=limit, after=after)

    def list(self) -> list[Dataset]:
        return self._c.get("/datasets", list[Dataset])
