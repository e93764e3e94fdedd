"""`name@selector`: the one way to name a version, of data or of a model. What selectors there are, each kind says."""

from __future__ import annotations

import re

import msgspec

from clew.core.errors import Invalid

__all__ = ["Reference", "checked_name"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class Reference(msgspec.Struct, frozen=True):
    """A name and which of its versions is meant."""

    name: str
    selector: str = "latest"

    def __str__(self) -> str:
        return f"{self.name}@{self.selector}"


def checked_name(noun: str, name: str) -> str:
    """The name itself.

    Raises:
        Invalid: it cannot be the name of such a thing.
    """
    if not _NAME.fullmatch(name):
        hint = "use letters, digits, '_', '-' and '.', at most 128, not beginning with '-' or '.'"
        raise Invalid(f"{name!r} cannot be the name of a {noun}", hint=hint)
    return name
