"""What rows may name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from clew.core.ids import Digest

__all__ = ["Mentions"]


class Mentions(Protocol):
    """What rows of all projects may name, for the collector of objects."""

    def list(self) -> Iterable[tuple[str, Digest]]:
        """Every word of 64 hex digits in any row, with the name of its table; repeated, in no order.

        Left out are the lineage, rows that were purged, and events that tell of rows that can be removed.
        """
        ...
