"""What the rows of the ledger in memory may name: each row as JSON, read as the SQL ledgers read their texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import msgspec

from clew.core.ids import Digest
from clew.store.ledger.memory.tables import Tables
from clew.store.mention import mentions_of, tells_of_removable

__all__ = ["MemoryMentions"]

_NAMES = {"batches": "log_batches", "entries": "step_entries", "steps": "step_runs", "moves": "alias_moves"}
_LEFT_OUT = frozenset(("edges", "waiting", "chain", "blocks"))


class MemoryMentions:
    """`clew.core.contracts.ledger.Mentions`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def list(self) -> Iterator[tuple[str, Digest]]:
        for each in fields(self._tables):
            if each.name not in _LEFT_OUT:
                for row in getattr(self._tables, each.name).values():
                    text = msgspec.json.encode(row).decode()
                    if each.name != "events" or not tells_of_removable(text):
                        yield from ((_NAMES.get(each.name, each.name), digest) for digest in mentions_of(text))
