"""The collector: what nothing names is set aside, and deleted when it was set aside for long enough.

Design, with the order of steps and what happens beside writers: docs/design/collection.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt
from clew.core.ids import Digest
from clew.loop.care.reach import Reach
from clew.loop.care.retention import over_us
from clew.store.mention import digests_in, pieces_of
from clew.store.objects.collection import Collection, collection_of

__all__ = ["Collected", "Terms", "collect", "mark"]

_LEAVES = frozenset(("artifacts", "log_batches"))
"""Tables whose rows name files and rows, which name nothing."""

_SKIPPED = frozenset(("objects", "trees", "tables", "cache"))
"""Folders below `.clew` that hold no names of objects, or only such as are looked for before they are believed."""

_PROJECTS = "projects"
"""The folder below `.clew` with a folder like it for each other project of a server."""

Tell = Callable[[int], None]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How careful a collection is: what was written within `young_us` is left alone, and what was set aside is deleted
    after `grace_us`."""

    young_us: int
    grace_us: int


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What a collection found, and did unless it was asked only to look.

    `live` objects are named by something and were all there afterwards. `garbage` ones are named by nothing and old;
    `young` ones are named by nothing yet. `taken_back` had been set aside and are named again. `freed_bytes` were
    deleted, after their time in the quarantine; `waiting_bytes` are still there.
    """

    live: int
    garbage: int
    garbage_bytes: int
    young: int
    taken_back: int
    freed_bytes: int
    waiting_bytes: int
    dry_run: bool


def collect(
    stores: Stores, terms: Terms, *, until_us: int | None = None, dry_run: bool = False, tell: Tell
) -> Collected:
    """Set aside what nothing names, and delete what was set aside long ago.

    Args:
        stores: a project whose objects are in a folder or in a bucket.
        terms: how careful.
        until_us: what was set aside before is deleted, µs since 1970; as the project sees it now when None.
        dry_run: only look.
        tell: hears how many objects have been reached.

    Raises:
        Invalid: the objects are elsewhere.
        Corrupt: an object that names others cannot be read; nothing was changed.
    """
    store, now_us = collection_of(stores.objects), stores.clock.now_us()
    aside, stored = store.aside(), store.stored()
    live = mark(stores, stored | aside, tell)
    back = (live & aside) - stored
    unnamed = stored - live
    garbage = store.old_enough(unnamed, until_us=now_us - terms.young_us)
    freed = 0
    if not dry_run:
        store.take_back(back)
        freed = store.expire(until_us=over_us(stores, terms.grace_us) if until_us is None else until_us)
        store.set_aside(garbage, now_us=now_us)
        back |= _take_back_late(stores, store, set(garbage), tell)
        _verify(store, live)
    return Collected(
        live=len(live),
        garbage=len(garbage),
        garbage_bytes=sum(garbage.values()),
        young=len(unnamed) - len(garbage),
        taken_back=len(back),
        freed_bytes=freed,
        waiting_bytes=store.waiting_bytes(),
        dry_run=dry_run,
    )


def mark(stores: Stores, known: set[Digest], tell: Tell) -> set[Digest]:
    """Those objects that the ledger names, or what waits beside it, directly or not.

    Raises:
        Corrupt: an object that names others cannot be read.
    """
    reach = Reach(collection_of(stores.objects), known, tell)
    roots: set[Digest] = set(_beside(stores.folder))
    leaves: set[Digest] = set()
    with stores.ledger.read() as tx:
        for table, digest in tx.mentions.list():
            (leaves if table in _LEAVES else roots).add(digest)
    reach.follow(roots, leaves=leaves)
    return reach.live


def _beside(folder: Path) -> Iterator[Digest]:
    """Names in the files of a project that are no objects: journals, and what else waits to be brought home."""
    for top, folders, names in os.walk(folder):
        if Path(top) == folder or Path(top).parent == folder / _PROJECTS:
            folders[:] = [name for name in folders if name not in _SKIPPED]
            names = [name for name in names if not name.startswith("ledger.db")]
        for name in names:
            path = Path(top) / name
            with suppress(FileNotFoundError):  # a journal that was just brought home
                if path.is_file():
                    with path.open("rb") as file:
                        for piece in pieces_of(file):
                            yield from digests_in(piece)


def _take_back_late(stores: Stores, store: Collection, gone: set[Digest], tell: Tell) -> set[Digest]:
    """Look again for what was named while it was set aside, and take it back."""
    if not gone:
        return set()
    late = mark(stores, store.stored() | gone, tell) & gone
    store.take_back(late)
    return late


def _verify(store: Collection, live: set[Digest]) -> None:
    """Refuse to call a collection done where something that is named is not there."""
    lost = store.missing(live)
    if lost:
        some = ", ".join(sorted(lost)[:3])
        raise Corrupt(f"{len(lost)} objects that are needed are not in the store: {some}", hint="clew doctor")
