"""What a look at every copy tells: those that do not match their names."""

from __future__ import annotations

from collections.abc import Callable

from clew.core.errors import Corrupt

__all__ = ["damage"]


def damage(read: Callable[[], object], name: str = "") -> Corrupt | None:
    """What is wrong with a copy, if something is.

    Args:
        read: reads and verifies it.
        name: what the text must say, where it does not.
    """
    try:
        read()
    except Corrupt as error:
        return error if name in error.what else Corrupt(f"{name}: {error.what}", hint=error.hint)
    return None
