"""Ids as an order of runs, of which only the places are kept. What a filter says of ids, a column of texts answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from clew.core.judging import MISSING, TEXT, Key
from clew.core.types.filter import Field
from clew.store.ledger.sql.search_column import Column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    At = NDArray[np.int64]

__all__ = ["ID", "Ids"]

ID = Field("id")


class Ids(Column):
    """A column that every run has a value in, and each another one.

    Args:
        places: of the ids among all in their order.
        rank: finds the place of an id, or what lies between the places of its neighbours.
        ids: finds those of some positions.
    """

    def __init__(
        self, places: NDArray[np.int64], rank: Callable[[str], float], ids: Callable[[Sequence[int]], list[str]]
    ) -> None:
        super().__init__(0)
        self._places, self._rank, self._ids = places, rank, ids

    def sorted_by(self, at: At, *, descending: bool) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        import numpy as np

        places = self._places[at].astype(np.float64)
        return np.full(len(places), TEXT, dtype=np.uint8), -places if descending else places

    def place(self, key: Key, *, descending: bool) -> float:
        kind, value = key
        found = 0.0 if kind == MISSING else self._rank(str(value))
        return -found if descending else found

    def key(self, position: int) -> Key:
        return TEXT, self._ids([position])[0]
