"""Lists come in pages: `items`, and an opaque `next` to hand back for more."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

__all__ = ["Page"]

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list; `next` is empty on the last one."""

    items: list[T]
    next: str = ""
