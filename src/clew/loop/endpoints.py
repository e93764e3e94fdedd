"""Endpoints in place: `clew.core.contracts.services.EndpointService` over stores."""

from __future__ import annotations

from pathlib import Path

from clew.core.contracts.stores import Stores
from clew.core.types.endpoint import AddedLabels, Endpoint
from clew.loop.labelling import add_labels, count_unknown, read_label_file
from clew.serving.endpoint import find_endpoint

__all__ = ["LedgerEndpoints"]


class LedgerEndpoints:
    """The endpoints of a project."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def list(self) -> list[Endpoint]:
        with self._stores.ledger.read() as tx:
            return tx.endpoints.list(self._stores.project)

    def add_labels(
        self, endpoint: str, file: Path, *, label: str, by_id: str = "", by_key: str = "", time_us: int = 0
    ) -> AddedLabels:
        found = find_endpoint(self._stores, endpoint)
        rows = read_label_file(self._stores, found, file, label=label, name=by_id or by_key)
        added = add_labels(self._stores, found, rows, label=label, by_id=by_id, by_key=by_key, time_us=time_us)
        unknown = count_unknown(self._stores, found, rows, label=label, by_id=by_id, by_key=by_key) if added else 0
        return AddedLabels(added=added, unknown=unknown)
