"""Datasets on a server. What versions hold travels as objects."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from clew.client.connection import Connection
from clew.core.errors import Invalid
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
        return self._c.get("/dataset-versions", DatasetVersion, reference=_asked(reference))

    def version(self, id: str) -> DatasetVersion:
        return self._c.get(f"/dataset-versions/{quote(id, safe='')}", DatasetVersion)

    def versions(self, name: str, *, limit: int = 100, after: str = "") -> Page[DatasetVersion]:
        path = f"/datasets/{quote(_asked(name), safe='')}/versions"
        return self._c.get(path, Page[DatasetVersion], limit=limit, after=after)

    def list(self) -> list[Dataset]:
        return self._c.get("/datasets", list[Dataset])


def _asked(text: str) -> str:
    """An empty name would ask for something else than it says."""
    if not text:
        raise Invalid("an empty name names nothing")
    return text
