"""Which words of the ledger may name objects: every one of 64 hex digits in any text of any table.

It reads the tables from the migrations rather than from a list of its own, so that a table that is new is not
forgotten. Why it does not ask what each row means: docs/decisions/0018-collector-reads-words.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from clew.core.ids import Digest
from clew.store.ledger.sql.connection import Connection, rows_in_order
from clew.store.ledger.sql.migrate import migrations
from clew.store.mention import mentions_of, tells_of_removable

__all__ = ["SqlMentions", "tables"]

_CREATE = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+) \((.*?)\n\)", re.DOTALL)
_ADD = re.compile(r"ALTER TABLE (\w+) ADD COLUMN (\w+) (\w+)")
_RENAME = re.compile(r"ALTER TABLE (\w+) RENAME TO (\w+)")
_DROP = re.compile(r"DROP TABLE (?:IF EXISTS )?(\w+)")
_KEY = re.compile(r"^PRIMARY KEY \(([^)]*)\)", re.MULTILINE)
_LEFT_OUT = frozenset(
    (
        "chain_tails",
        "edges",
        "search_metrics",
        "search_runs",
        "search_values",
        "series",
        "series_blocks",
        "series_sources",
    )
)
"""Nodes of the lineage name what rows name too, an index names what it is an index of, and series hold numbers; where
they came from is kept in half a digest each, a row for every block that there was."""


class Table(NamedTuple):
    """A table, its primary key, and its columns of text."""

    name: str
    key: list[str]
    texts: list[str]


def tables() -> list[Table]:
    """Every table of the newest version, as the migrations make them."""
    found: dict[str, Table] = {}
    for text in migrations().values():
        plain = re.sub(r"--.*", "", text)
        for statement in plain.split(";"):
            _apply(statement, found)
    return [table for table in found.values() if table.name not in _LEFT_OUT]


def _apply(statement: str, found: dict[str, Table]) -> None:
    if made := _CREATE.search(statement):
        found[made[1]] = _table(made[1], made[2])
    if (added := _ADD.search(statement)) and added[3] == "TEXT":
        found[added[1]].texts.append(added[2])
    if renamed := _RENAME.search(statement):
        found[renamed[2]] = found.pop(renamed[1])._replace(name=renamed[2])
    if dropped := _DROP.search(statement):
        found.pop(dropped[1], None)


def _table(name: str, body: str) -> Table:
    lines = [line.strip().rstrip(",") for line in body.splitlines() if line.strip()]
    words = [line.split() for line in lines]
    whole = _KEY.search("\n".join(lines))
    key = [word.strip() for word in whole[1].split(",")] if whole else [w[0] for w in words if "PRIMARY" in w]
    return Table(name, key, [word[0] for word in words if len(word) > 1 and word[1] == "TEXT"])


class SqlMentions:
    """`clew.core.contracts.ledger.Mentions`."""

    def __init__(self, connection: Connection) -> None:
        self._c = connection

    def list(self) -> Iterator[tuple[str, Digest]]:
        for table in tables():
            for row in rows_in_order(self._c, table.name, table.key, table.texts):
                texts = [str(value) for value in row[len(table.key) :] if value]
                if table.name != "events" or not any(tells_of_removable(text) for text in texts):
                    yield from ((table.name, digest) for text in texts for digest in mentions_of(text))
