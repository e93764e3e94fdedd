"""Lists come in pages: `items`, and an opaque `next` to hand back for more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import msgspec

from clew.core.errors import Invalid
from clew.core.ids import is_id

__all__ = ["Page", "checked_after", "items_of"]

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list; `next` is empty on the last one."""

    items: list[T]
    next: str = ""


def items_of(page: Callable[..., Page[T]], *, after: str = "") -> Iterator[T]:
    """All items of a list, read page by page as they are asked for.

    Args:
        page: takes `after`, and gives the page behind it.
        after: where the first page begins.
    """
    while True:
        found = page(after=after)
        yield from found.items
        after = found.next
        if not after:
            return


def checked_after(token: str) -> str:
    """The token itself, where pages end with an id.

    Raises:
        Invalid: it is none that a page ended with. Compared with ids it would give some page, and not the next one.
    """
    if token and not is_id(token):
        raise Invalid(f"{token!r} is no page token", hint="leave it out to start at the first page")
    return token
