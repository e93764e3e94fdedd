"""Pages over numbered versions, newest first."""

from __future__ import annotations

from typing import TypeVar

from clew.core.errors import Invalid
from clew.core.paging import Page
from clew.store.ledger.sql.connection import Connection, Document

__all__ = ["page_of_versions"]

T = TypeVar("T")


def page_of_versions(
    connection: Connection, document: Document[T], *, table: str, owner: tuple[str, str], limit: int, after: str
) -> Page[T]:
    """Versions of `owner` (column, id) numbered below the token `after`."""
    column, owner_id = owner
    if after and not (after.isdecimal() and len(after) < 19):
        raise Invalid(f"{after!r} is no page token", hint="leave it out to start at the first page")
    below, params = (" AND number < ?", [owner_id, int(after)]) if after else ("", [owner_id])
    sql = f"SELECT document, number FROM {table} WHERE {column} = ?{below} ORDER BY number DESC LIMIT {int(limit) + 1}"
    rows = connection.rows(sql, params)
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(items=document.all(rows), next=str(rows[-1][1]) if more else "")
