"""How long something has lain in the trash, or set aside: by the clock, but only as far as the project has seen it go.

A clock that jumps ahead must not end in a moment what was to wait for weeks. So a time is over when a command before
this one saw it over: the last event, or the last collection, says how late it was then. What lies in the future of the
present clock says nothing. Not what is done then: `trash`, `data_trash`, `collect`.
"""

from __future__ import annotations

import msgspec

from clew.core.contracts.stores import Stores
from clew.store.document import find_document, put_document

__all__ = ["note_collection", "over_us"]

_FILE = "collected.json"
_ALL = 1 << 62


class _Collection(msgspec.Struct, frozen=True, kw_only=True):
    """The last one: `at_us` is when it began."""

    at_us: int


def over_us(stores: Stores, keep_us: int) -> int:
    """What was put away before this time has waited for `keep_us`; everything has where that is nothing."""
    if keep_us <= 0:
        return _ALL
    now_us = stores.clock.now_us()
    with stores.ledger.read() as tx:
        seen = [event.at_us for event in tx.events.list(stores.project, limit=1).items]
    last = find_document(stores.folder / _FILE, _Collection)
    seen += [last.at_us] if last is not None else []
    return max((at_us for at_us in seen if at_us <= now_us), default=0) - keep_us


def note_collection(stores: Stores) -> None:
    """Note how late it is: a collection has seen it."""
    put_document(stores.folder / _FILE, _Collection(at_us=stores.clock.now_us()))
