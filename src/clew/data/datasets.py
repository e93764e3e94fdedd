"""Datasets and the commit of their versions, in place over the ledger. What versions hold is not known here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.errors import Invalid, NotFound
from clew.core.paging import Page
from clew.core.types.dataset import Dataset, DatasetVersion
from clew.core.types.edge import Edge, Node, Role, node
from clew.core.types.reference import checked_name
from clew.data.reference import resolve, unknown_dataset
from clew.store.account import row_digest
from clew.store.owner import check_mine

__all__ = ["LedgerDatasets"]


class LedgerDatasets:
    """`clew.core.contracts.services.DatasetService` over a project's stores."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def find(self, name: str) -> Dataset | None:
        with self._stores.ledger.read() as tx:
            return tx.datasets.find(self._stores.project, name)

    def commit(self, version: DatasetVersion, *, parents: Sequence[Node] = ()) -> DatasetVersion:
        checked_name("dataset", version.name)
        if self._stores.objects.missing([version.manifest]):
            raise Invalid(f"the manifest of {version.reference} is not stored", hint="put its objects first")
        with self._stores.ledger.write() as tx:
            check_mine(tx, self._stores.project, [*parents, node("run", version.run)])
            dataset = self._dataset(tx, version)
            newest = tx.datasets.newest(dataset.id)
            if newest is not None and newest.digest == version.digest:
                self._link(tx, newest, version.run, parents)
                return newest
            added = msgspec.structs.replace(version, dataset=dataset.id)
            tx.datasets.add_version(added)
            self._link(tx, added, added.run, parents)
            self._tell(tx, added)
        return added

    def resolve(self, reference: str) -> DatasetVersion:
        with self._stores.ledger.read() as tx:
            return resolve(tx, self._stores.project, reference)

    def version(self, id: str) -> DatasetVersion:
        with self._stores.ledger.read() as tx:
            found = tx.datasets.version(id)
            if tx.datasets.get(found.dataset).project != self._stores.project:
                raise NotFound("version", id)
            return found

    def versions(self, name: str, *, limit: int = 100, after: str = "") -> Page[DatasetVersion]:
        with self._stores.ledger.read() as tx:
            dataset = tx.datasets.find(self._stores.project, name)
            if dataset is None:
                raise unknown_dataset(tx, self._stores.project, name)
            page = tx.datasets.versions(dataset.id, limit=limit, after=after)
            return Page(items=[version for version in page.items if not version.deleted_us], next=page.next)

    def list(self) -> list[Dataset]:
        with self._stores.ledger.read() as tx:
            return tx.datasets.list(self._stores.project)

    def _dataset(self, tx: Transaction, version: DatasetVersion) -> Dataset:
        """The dataset of a version, made when it is new."""
        dataset = tx.datasets.find(self._stores.project, version.name)
        if dataset is None:
            dataset = Dataset(
                id=version.dataset,
                project=self._stores.project,
                name=version.name,
                kind=version.kind,
                created_us=self._stores.clock.now_us(),
            )
            tx.datasets.add(dataset)
        if dataset.kind is not version.kind:
            raise Invalid(
                f"dataset {version.name!r} holds {dataset.kind.value}, and this is {version.kind.value}",
                hint="add it under another name",
            )
        return dataset

    def _link(self, tx: Transaction, version: DatasetVersion, run: str, parents: Sequence[Node]) -> None:
        at_us, target = self._stores.clock.now_us(), node("data", version.id)
        edges = [Edge(source=parent, target=target, role=Role.INPUT, run=run, at_us=at_us) for parent in parents]
        if run:
            edges.append(Edge(source=node("run", run), target=target, role=Role.OUTPUT, run=run, at_us=at_us))
        if edges:
            tx.edges.add(edges)

    def _tell(self, tx: Transaction, version: DatasetVersion) -> None:
        facts = {
            "reference": version.reference,
            "digest": version.digest,
            "rows": version.rows,
            "size_bytes": version.size_bytes,
            "message": version.message,
            "row": row_digest(version),
        }
        self._stores.tell(tx, "version.added", node("data", version.id), facts)
