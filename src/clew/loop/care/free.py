"""Everything that frees space in a project: the trash is emptied of what is old in it, then objects are collected."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from clew.core.contracts.stores import Stores
from clew.loop.care.collect import Collected, Terms, collect
from clew.loop.care.data_trash import purge_versions
from clew.loop.care.retention import over_us
from clew.loop.care.trash import purge_logged, purge_runs

__all__ = ["Freed", "free"]


class Freed(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs, logged models and versions of data were purged, and what came of the collection."""

    purged_runs: int
    purged_logged_models: int
    purged_versions: int
    collected: Collected


def free(stores: Stores, terms: Terms, *, trash_us: int, dry_run: bool = False, tell: Callable[[int], None]) -> Freed:
    """Free what a project does not need.

    Args:
        stores: the project.
        terms: how careful the collection is.
        trash_us: how long something must have lain in the trash.
        dry_run: only look.
        tell: hears how many objects have been reached.
    """
    until_us = over_us(stores, trash_us)
    aside_us = over_us(stores, terms.grace_us)  # asked before there are events of purges, which say how late it is
    return Freed(
        purged_runs=len(purge_runs(stores, until_us=until_us, dry_run=dry_run)),
        purged_logged_models=len(purge_logged(stores, until_us=until_us, dry_run=dry_run)),
        purged_versions=len(purge_versions(stores, until_us=until_us, dry_run=dry_run)),
        collected=collect(stores, terms, until_us=aside_us, dry_run=dry_run, tell=tell),
    )
