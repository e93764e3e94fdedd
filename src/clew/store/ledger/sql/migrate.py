"""Migrations: numbered SQL files, forward only, each in one transaction with the note that it was applied."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from clew.core.errors import Invalid
from clew.store.ledger.sql.connection import Connection
from clew.store.ledger.sql.logged_fill import fill_logged_metrics
from clew.store.ledger.sql.search_fill import fill_search

__all__ = ["fill", "migrations", "pending"]

_FILLS = {5: fill_search, 9: fill_logged_metrics}
"""What SQL alone cannot do behind a migration."""


def migrations() -> dict[int, str]:
    """Every migration by number."""
    folder = Path(__file__).with_name("migrations")  # importlib.resources loads zipfile: a tenth of a command's start
    found = {int(path.name[:4]): path for path in folder.glob("*.sql")}
    return {number: found[number].read_text(encoding="utf-8") for number in sorted(found)}


def pending(
    version: int, *, spelled: Mapping[str, str] | None = None, read: Callable[[], dict[int, str]] = migrations
) -> dict[int, list[str]]:
    """The statements of each migration behind `version`.

    Args:
        version: of the ledger; 0 when it is empty.
        spelled: how this database spells types, where it differs from SQLite.
        read: where migrations come from.

    Raises:
        Invalid: the ledger is newer than this clew.
    """
    known = read()
    newest = max(known)
    if version > newest:
        raise Invalid(
            f"this ledger has version {version}; this clew knows versions up to {newest}",
            hint="install a newer clew",
        )
    return {number: _statements(text, spelled or {}) for number, text in known.items() if number > version}


def fill(number: int, connection: Connection) -> None:
    """Do what belongs to a migration besides its statements."""
    if number in _FILLS:
        _FILLS[number](connection)


def _statements(text: str, spelled: Mapping[str, str]) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    for ours, theirs in spelled.items():
        lines = [re.sub(rf"\b{ours}\b", theirs, line) for line in lines]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]
