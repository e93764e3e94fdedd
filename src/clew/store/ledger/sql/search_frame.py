"""Some runs of a project, or all of them, with the columns that a search asks for: filters them, and sorts them.

Not where columns come from (`search_cache`, `search`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from clew.core.judging import TEXT_OPS, Key
from clew.core.types.filter import Both, Comparison, Field, Filter, Order, fields_of, parts_of
from clew.store.ledger.sql.search_column import Column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    At = NDArray[np.int64]

__all__ = ["Frame"]


class Frame:
    """Runs by position.

    Args:
        numbers: by which the ledger knows them.
        places: of the runs in the order of ids, or anything that grows with them.
        columns: what the search asks for.
        rank: finds the place of an id, or what lies between the places of its neighbours.
    """

    def __init__(
        self,
        numbers: At,
        places: At,
        columns: Mapping[Field, Column],
        rank: Callable[[str], float],
    ) -> None:
        self.numbers, self.places, self.columns, self.rank = numbers, places, columns, rank

    def passing(self, filter: Filter | None) -> At:
        """The positions of runs that pass: the parts that cost least are asked first, the others of what is left."""
        import numpy as np

        at: At | slice = slice(len(self.places))
        for part in sorted(parts_of(filter), key=_cost):
            holds = self._judge(part, at)[0]
            at = np.flatnonzero(holds) if isinstance(at, slice) else at[holds]
        return np.arange(len(self.places), dtype=np.int64) if isinstance(at, slice) else at

    def _judge(self, filter: Filter, at: At | slice) -> tuple[Bools, Bools]:
        if isinstance(filter, Comparison):
            return self.columns[filter.field].judge(filter, at)
        if not isinstance(filter, Both):
            holds, fails = self._judge(filter.part, at)
            return fails, holds
        judged = [self._judge(part, at) for part in filter.parts]
        holds, fails = judged[0]
        for more_hold, more_fail in judged[1:]:
            if filter.op == "and":
                holds, fails = holds & more_hold, fails | more_fail
            else:
                holds, fails = holds | more_hold, fails & more_fail
        return holds, fails

    def behind(self, at: At, order: Sequence[Order], keys: Sequence[Key], id: str) -> At:
        """Those that come behind a cursor: keys, and an id (what has it is not behind)."""
        later = self.places[at] < self.rank(id)
        for each, key in reversed(list(zip(order, keys, strict=True))):
            column = self.columns[each.field]
            kinds, values = column.sorted_by(at, descending=each.descending)
            mine = column.place(key, descending=each.descending)
            same = (kinds == key[0]) & (values == mine)
            later = (kinds > key[0]) | ((kinds == key[0]) & (values > mine)) | (same & later)
        return at[later]

    def first(self, at: At, order: Sequence[Order], count: int) -> list[int]:
        """The positions of the first runs in an order."""
        import numpy as np

        some = self._narrowed(at, order, count)
        keys: list[NDArray[np.generic]] = [-self.places[some]]
        for each in reversed(order):
            kinds, values = self.columns[each.field].sorted_by(some, descending=each.descending)
            keys += [values, kinds]
        found: list[int] = some[np.lexsort(keys)][:count].tolist()
        return found

    def _narrowed(self, at: At, order: Sequence[Order], count: int) -> At:
        """The first ones in any sequence, with perhaps some more that are equal to the last in all but the id."""
        import numpy as np

        kept: list[At] = []
        for each in order:
            if len(at) <= count:
                break
            kinds, values = self.columns[each.field].sorted_by(at, descending=each.descending)
            last = int(np.searchsorted(np.cumsum(np.bincount(kinds, minlength=4)), count))  # the kind of the last one
            kept.append(at[kinds < last])
            count -= len(kept[-1])
            at, values = at[kinds == last], values[kinds == last]
            edge = np.partition(values, count - 1)[count - 1]
            kept.append(at[values < edge])
            count -= len(kept[-1])
            at = at[values == edge]
        if len(at) > count:
            places = self.places[at]
            at = at[places >= np.partition(places, len(places) - count)[len(places) - count]]
        return np.concatenate([*kept, at])

    def keys(self, position: int, order: Sequence[Order]) -> list[Key]:
        """The keys of a run, for a cursor."""
        return [self.columns[each.field].key(position) for each in order]


def _cost(filter: Filter) -> tuple[int, int]:
    """What has patterns of text comes last, what is deep behind what is flat."""
    return (int(_has_text(filter)), len(fields_of(filter)))


def _has_text(filter: Filter) -> bool:
    if isinstance(filter, Comparison):
        return filter.op in TEXT_OPS
    return any(map(_has_text, filter.parts if isinstance(filter, Both) else (filter.part,)))
