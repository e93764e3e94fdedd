"""What reading a value needs, and how values that contain themselves come to an end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from clew.core.errors import Invalid

__all__ = ["Reader", "Rule", "parts"]


class Reader(Protocol):
    """What reading a value needs from a walk."""

    def reference(self, value: object, where: str) -> object:
        """The token of any value inside of this one."""
        ...

    def refuse(self, where: str, why: str) -> Invalid:
        """The error for what cannot be known."""
        ...


Rule = Callable[[Reader, Any, str], object]
"""Gives the token of one kind of value; the text says where the value was found."""

_DEPTH = 200
_open = threading.local()


def parts(read: Reader, owner: object, values: Iterable[object], where: str) -> list[object]:
    """Tokens of the parts of a value that may contain itself."""
    trail: dict[int, int] = _open.__dict__.setdefault("trail", {})
    if id(owner) in trail:
        return [["cycle", len(trail) - trail[id(owner)]]]
    if len(trail) > _DEPTH:
        raise read.refuse(where, f"is nested deeper than {_DEPTH} levels")
    trail[id(owner)] = len(trail)
    try:
        return [read.reference(part, where) for part in values]
    finally:
        del trail[id(owner)]
