"""Where a version comes from, and what adding it did."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from clew.core.errors import NotFound
from clew.core.types.check_report import CheckReport
from clew.core.types.dataset import DatasetVersion
from clew.core.types.edge import Node
from clew.data.site import Site

__all__ = ["Addition", "Origin", "newest"]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version comes from: a message for people, the run that made it, and what it was made of."""

    message: str = ""
    run: str = ""
    parents: Sequence[Node] = ()


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """What an add did.

    `new` is False when the newest version holds the same already. `changes` says how the columns changed, `report`
    what the checks found; both are for tables.
    """

    version: DatasetVersion
    new: bool
    changes: list[str] = []
    report: CheckReport | None = None


def newest(site: Site, name: str) -> DatasetVersion | None:
    """The newest version of a dataset, if it has one."""
    try:
        return site.datasets.resolve(f"{name}@latest")
    except NotFound:
        return None
