"""Migrations: numbered SQL files, forward only, each in one transaction with the note that it was applied."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

from clew.core.errors import Invalid

__all__ = ["migrations", "pending"]


def migrations() -> dict[int, str]:
    """Every migration by number."""
    folder = files("clew.store.ledger.sql") / "migrations"
    found = {int(entry.name[:4]): entry for entry in folder.iterdir() if entry.name.endswith(".sql")}
    return {number: found[number].read_text(encoding="utf-8") for number in sorted(found)}


def pending(version: int, read: Callable[[], dict[int, str]] = migrations) -> dict[int, list[str]]:
    """The statements of each migration behind `version`.

    Raises:
        Invalid: the ledger is newer than this clew.
    """
    known = read()
    newest = max(known)
    if version > newest:
        raise Invalid(
            f"this ledger has version {version}; this clew knows versions up to {newest}",
            hint="upgrade clew: pip install --upgrade clew",
        )
    return {number: _statements(text) for number, text in known.items() if number > version}


def _statements(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]
