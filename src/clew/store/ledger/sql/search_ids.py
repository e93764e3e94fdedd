"""The ids of all runs as a column, without keeping them twice: who knows the runs has their ids and places already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from clew.core.judging import MISSING, TEXT, Key, as_text
from clew.core.types.filter import Comparison, Field
from clew.store.ledger.sql.search_column import Column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    At = NDArray[np.int64]

__all__ = ["ID", "Ids"]

ID = Field("id")


class Ids(Column):
    """A column that every run has a value in, and each another one.

    Args:
        ids: by position.
        places: of each among all in their order.
        place_of: the place of an id, or of the next one behind it.
    """

    def __init__(self, ids: Sequence[str], places: NDArray[np.int64], place_of: Callable[[str], int]) -> None:
        super().__init__(0)
        self._ids, self._places, self._place_of = ids, places, place_of

    def judge(self, comparison: Comparison, at: At | slice) -> tuple[Bools, Bools]:
        import numpy as np

        some = self._ids[at] if isinstance(at, slice) else [self._ids[each] for each in at.tolist()]
        if comparison.op in ("=", "in"):
            wanted = {as_text(value) for value in comparison.values if isinstance(value, str)}
            holds = np.fromiter(map(wanted.__contains__, some), dtype=np.bool_, count=len(some))
            # a number is no text: neither equal nor unequal, as in a column
            unknown = comparison.op == "=" and not wanted
            return holds, holds if unknown else ~holds
        column = Column(len(some))
        column.set_texts(np.arange(len(some)), some)
        return column.judge(comparison, slice(len(some)))

    def sorted_by(self, at: At, *, descending: bool) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        import numpy as np

        places = self._places[at].astype(np.float64)
        return np.full(len(places), TEXT, dtype=np.uint8), -places if descending else places

    def place(self, key: Key, *, descending: bool) -> float:
        import numpy as np

        kind, value = key
        if kind == MISSING:
            return 0.0
        place = self._place_of(str(value))
        known = any(self._ids[at] == value for at in np.flatnonzero(self._places == place).tolist())
        found = float(place) if known else place - 0.5
        return -found if descending else found

    def key(self, position: int) -> Key:
        return TEXT, self._ids[position]
