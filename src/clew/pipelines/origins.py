"""Which step made a value, told by the value itself: what draws the arrows between the steps of a run."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any

__all__ = ["Origins"]

_LATEST = 256
_PLAIN = (type(None), bool, int, float, str, bytes)


class Origins:
    """The outputs of steps by identity. Holds on to none that can be referred to weakly, and to the latest others."""

    def __init__(self) -> None:
        self._weak: dict[int, tuple[weakref.ref[object], int]] = {}
        self._strong: OrderedDict[int, tuple[object, int]] = OrderedDict()

    def note(self, value: object, position: int) -> None:
        """Remember that a step made a value, and the parts of it that a caller may take out."""
        for part in _parts(value):
            key = id(part)
            try:
                self._weak[key] = (weakref.ref(part, partial(self._forget, key)), position)
            except TypeError:
                self._strong[key] = (part, position)
                if len(self._strong) > _LATEST:
                    self._strong.popitem(last=False)

    def _forget(self, key: int, _: object) -> None:
        self._weak.pop(key, None)

    def of(self, values: Iterator[object]) -> list[int]:
        """The positions of the steps that made these values or parts of them."""
        found: dict[int, None] = {}
        for value in values:
            for part in _parts(value):
                known = self._weak.get(id(part)) or self._strong.get(id(part))
                if known is not None:
                    found[known[1]] = None
        return list(found)


def _parts(value: Any) -> Iterator[object]:
    """A value and what it directly holds; plain values have no identity of their own."""
    if isinstance(value, _PLAIN):
        return
    yield value
    if type(value) in (tuple, list) and len(value) <= _LATEST:
        yield from (item for item in value if not isinstance(item, _PLAIN))
    elif type(value) is dict and len(value) <= _LATEST:
        yield from (item for item in value.values() if not isinstance(item, _PLAIN))
