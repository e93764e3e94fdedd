"""What the verbs of this package act on: a project's datasets and objects, wherever they are, and a local folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clew.core.clock import Clock
from clew.core.contracts.objects import Objects
from clew.core.contracts.services import DatasetService, Services
from clew.core.contracts.stores import Stores
from clew.core.ids import IdSource
from clew.data.datasets import LedgerDatasets

__all__ = ["Site"]


@dataclass(frozen=True, kw_only=True)
class Site:
    """Datasets, objects, and where time, ids and names come from.

    `datasets` and `objects` may be in place or at the other end of HTTP. `folder` is local: stat caches and files that
    were taken out of versions lie in it, and all of it may be deleted at any time.
    """

    datasets: DatasetService
    objects: Objects
    clock: Clock
    ids: IdSource
    actor: str
    folder: Path

    @classmethod
    def of(cls, stores: Stores) -> Site:
        """The site of a project whose stores are in reach."""
        return cls(
            datasets=LedgerDatasets(stores),
            objects=stores.objects,
            clock=stores.clock,
            ids=stores.ids,
            actor=stores.actor,
            folder=stores.folder / "cache" / "data",
        )

    @classmethod
    def over(cls, project: Services) -> Site:
        """The site of a project, wherever it is."""
        return cls(
            datasets=project.datasets,
            objects=project.objects,
            clock=project.clock,
            ids=project.ids,
            actor=project.actor,
            folder=project.folder / "cache" / "data",
        )
