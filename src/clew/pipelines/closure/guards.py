"""What must still hold for a fingerprint to be used again: the same objects behind the same names.

Checking takes tens of nanoseconds a name, walking takes milliseconds a function. A binding is checked by identity,
which is enough for what cannot change in place; whatever can (lists, dicts, instances, arrays) is read again. The
objects are held, so that an address is never used twice.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Mapping
from types import CellType, FunctionType
from typing import Any

from clew.core.hashing import hash_bytes

__all__ = ["MISSING", "Guards", "frozen"]

MISSING = object()
_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis)})


class Guards:
    """The conditions of one fingerprint."""

    def __init__(self) -> None:
        self._bindings: list[tuple[Mapping[str, object], str, object]] = []
        self._sizes: list[tuple[Mapping[str, object], int]] = []
        self._cells: list[tuple[CellType, object]] = []
        self._functions: list[tuple[FunctionType, tuple[object, ...]]] = []
        self._plain: list[tuple[object, str | None]] = []
        self._read: list[tuple[Callable[[], object], object]] = []

    def binding(self, names: Mapping[str, object], name: str, value: object) -> None:
        """`names[name]` is this object; `MISSING` when there is none."""
        self._bindings.append((names, name, value))

    def size(self, names: Mapping[str, object]) -> None:
        """Nothing was added and nothing removed."""
        self._sizes.append((names, len(names)))

    def cell(self, cell: CellType, value: object) -> None:
        """A closure variable holds this object."""
        self._cells.append((cell, value))

    def function(self, function: FunctionType) -> None:
        """A function has the code and defaults that it has now."""
        self._functions.append((function, _parts(function)))

    def check(self, read: Callable[[], object], token: object) -> None:
        """Something still gives what it gave."""
        self._read.append((read, token))

    def value(self, value: object, read: Callable[[], object], token: object) -> None:
        """A value that may change in place still gives the same token.

        Args:
            value: what is watched.
            read: gives its token as it is now.
            token: what it gave when the fingerprint was taken.
        """
        if frozen(value):
            return
        plain = _plain(value)
        if plain is None:
            self._read.append((read, token))
        else:
            self._plain.append((value, plain))

    def hold(self) -> bool:
        """Whether everything is as it was."""
        for names, name, value in self._bindings:
            if names.get(name, MISSING) is not value:
                return False
        return (
            all(len(names) == size for names, size in self._sizes)
            and all(_content(cell) is value for cell, value in self._cells)
            and all(_same(_parts(function), parts) for function, parts in self._functions)
            and all(_plain(value) == plain for value, plain in self._plain)
            and all(read() == token for read, token in self._read)
        )


def frozen(value: Any) -> bool:
    """Whether a value cannot change in place, all the way down."""
    if type(value) in _SCALARS:
        return True
    return type(value) in (tuple, frozenset) and all(frozen(item) for item in value)


def _parts(function: FunctionType) -> tuple[object, ...]:
    return (function.__code__, function.__defaults__, function.__closure__, function.__kwdefaults__)


def _same(left: tuple[object, ...], right: tuple[object, ...]) -> bool:
    return all(a is b for a, b in zip(left, right, strict=True))


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def _plain(value: Any) -> str | None:
    """A digest of a tree of built-in values, at the speed of C; None for anything else."""
    try:
        return hash_bytes(marshal.dumps(value, 2))
    except ValueError:
        return None
