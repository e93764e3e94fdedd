"""One field of many runs as arrays, and what filters say of it for all of them at once.

Held to what `clew.core.judging` says of one run at a time, with which it shares what operators and texts mean.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from clew.core.judging import MISSING, NUMBER, OPERATORS, TEXT, TEXT_OPS, Key, as_number, as_text, passes_text
from clew.core.types.filter import Comparison, Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    At = NDArray[np.int64]

__all__ = ["Column", "Texts"]

_MOST_KNOWN = 64


class Texts:
    """The distinct texts of a column; each has a code, in the order in which they came."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._codes: defaultdict[str, int] = defaultdict(count().__next__)
        self._sorted: list[str] = []
        self._ranks: NDArray[np.float64] | None = None
        self._known: dict[tuple[str, str], Bools] = {}
        self._once = ("", "")

    def codes(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """The codes of texts; those that are new are added."""
        import numpy as np

        found = np.fromiter(map(self._codes.__getitem__, texts), dtype=np.int32, count=len(texts))
        if new := len(self._codes) - len(self.texts):
            self.texts += [*islice(reversed(self._codes), new)][::-1]
            self._ranks = None
        return found

    def find(self, text: str) -> int:
        """The code of a text; −1 where no run has it."""
        return self._codes.get(text, -1)

    def among(self, wanted: Iterable[str]) -> Bools:
        """For each code, whether its text is one of some."""
        import numpy as np

        found = np.zeros(len(self.texts), dtype=np.bool_)
        found[[code for code in map(self.find, wanted) if code >= 0]] = True
        return found

    def ranks(self) -> NDArray[np.float64]:
        """The place of each code among all texts in their order."""
        import numpy as np

        if self._ranks is None:
            order = sorted(range(len(self.texts)), key=self.texts.__getitem__)
            self._sorted = [self.texts[code] for code in order]
            self._ranks = np.empty(len(order), dtype=np.float64)
            self._ranks[order] = np.arange(len(order))
        return self._ranks

    def place(self, text: str) -> float:
        """Where a text would stand among all: the rank of it, or half a rank below the next one."""
        self.ranks()
        at = bisect.bisect_left(self._sorted, text)
        return float(at) if at < len(self._sorted) and self._sorted[at] == text else at - 0.5

    def passing(self, op: str, wanted: str, codes: NDArray[np.int32]) -> Bools:
        """Which of these codes have a text that passes.

        The first time, few codes are looked at by themselves; what is asked again is found for all of them, and kept.
        """
        import numpy as np

        test, known = passes_text(op, wanted), self._known.get((op, wanted))
        done = 0 if known is None else len(known)
        if known is None and len(codes) * 4 < len(self.texts) and self._once != (op, wanted):
            self._once = (op, wanted)
            distinct, back = np.unique(codes, return_inverse=True)
            some = [test(self.texts[code]) for code in distinct.tolist()]
            return np.array(some, dtype=np.bool_)[back.reshape(-1)]
        if done < len(self.texts):
            more = np.fromiter(map(test, self.texts[done:]), dtype=np.bool_, count=len(self.texts) - done)
            known = more if known is None else np.concatenate([known, more])
            while len(self._known) >= _MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[op, wanted] = known
        assert known is not None
        return known[codes]


class Column:
    """The values of one field by the position of the run. Not shared between threads."""

    def __init__(self, size: int) -> None:
        import numpy as np

        self.kinds = np.full(size, MISSING, dtype=np.uint8)
        self.numbers = np.full(size, np.nan, dtype=np.float64)
        self.codes: NDArray[np.int32] | None = None
        self.texts = Texts()

    def resize(self, size: int) -> None:
        """Make room for more runs, which lack the field."""
        import numpy as np

        more = size - len(self.kinds)
        if more > 0:
            more += size // 8
            self.kinds = np.concatenate([self.kinds, np.full(more, MISSING, dtype=np.uint8)])
            self.numbers = np.concatenate([self.numbers, np.full(more, np.nan)])
            if self.codes is not None:
                self.codes = np.concatenate([self.codes, np.zeros(more, dtype=np.int32)])

    def clear(self, at: At) -> None:
        """Forget the values of these runs."""
        self.kinds[at] = MISSING

    def set_numbers(self, at: At, numbers: Sequence[float | None]) -> None:
        """Set numbers; None is NaN."""
        import numpy as np

        self.kinds[at] = NUMBER
        self.numbers[at] = np.array(numbers, dtype=np.float64)

    def set_texts(self, at: At, texts: Sequence[str]) -> None:
        """Set texts."""
        import numpy as np

        if self.codes is None:
            self.codes = np.zeros(len(self.kinds), dtype=np.int32)
        self.kinds[at] = TEXT
        self.codes[at] = self.texts.codes(texts)

    def judge(self, comparison: Comparison, at: At | slice) -> tuple[Bools, Bools]:
        """Which of these runs pass, and which do not; neither is unknown."""
        kinds = self.kinds[at]
        if comparison.op == "is":
            return kinds == MISSING, kinds != MISSING
        if comparison.op == "in":
            found = self._any(comparison.values, at, kinds)
            return found, ~found & (kinds != MISSING)
        (value,) = comparison.values
        if comparison.op in TEXT_OPS:
            return self._match(comparison.op, str(value), at, kinds)
        return self._compare(comparison.op, value, at, kinds)

    def _any(self, values: Sequence[Value], at: At | slice, kinds: NDArray[np.uint8]) -> Bools:
        found: Bools = kinds != kinds
        for value in values:
            if not isinstance(value, str):
                found |= self._compare("=", value, at, kinds)[0]
        if self.codes is not None:
            wanted = self.texts.among(as_text(value) for value in values if isinstance(value, str))
            found |= (kinds == TEXT) & wanted[self.codes[at]]
        return found

    def _compare(self, op: str, value: Value, at: At | slice, kinds: NDArray[np.uint8]) -> tuple[Bools, Bools]:
        mine, other = (TEXT, NUMBER) if isinstance(value, str) else (NUMBER, TEXT)
        same = kinds == mine
        if isinstance(value, str):
            holds = same & self._compare_texts(op, as_text(value), at)
        else:
            holds = same & OPERATORS[op](self.numbers[at], as_number(value or 0))
        fails = same & ~holds
        return (holds | (kinds == other), fails) if op == "!=" else (holds, fails)

    def _compare_texts(self, op: str, value: str, at: At | slice) -> Any:
        if self.codes is None:
            return False
        if op in ("=", "!="):
            return OPERATORS[op](self.codes[at], self.texts.find(value))
        return OPERATORS[op](self.texts.ranks()[self.codes[at]], self.texts.place(value))

    def _match(self, op: str, value: str, at: At | slice, kinds: NDArray[np.uint8]) -> tuple[Bools, Bools]:
        same = kinds == TEXT
        holds = same.copy()
        if self.codes is not None and same.any():
            holds[same] = self.texts.passing(op, value, self.codes[at][same])
        return holds, same & ~holds

    def sorted_by(self, at: At, *, descending: bool) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """What sorts these runs: the kind of each value, and a number that grows in the order's direction."""
        import numpy as np

        kinds, numbers = self.kinds[at], self.numbers[at]
        texts = kinds == TEXT
        if self.codes is not None and texts.any():
            numbers[texts] = self.texts.ranks()[self.codes[at][texts]]
        missing = (kinds == MISSING) | np.isnan(numbers)
        if missing.any():
            kinds[missing], numbers[missing] = MISSING, 0.0
        return kinds, -numbers if descending else numbers

    def place(self, key: Key, *, descending: bool) -> float:
        """Where a key stands among what `sorted_by` gives for its kind."""
        kind, value = key
        if kind == MISSING:
            return 0.0
        found = self.texts.place(value) if isinstance(value, str) else value
        return -found if descending else found

    def key(self, position: int) -> Key:
        """The key of one run."""
        kind = int(self.kinds[position])
        if kind == TEXT and self.codes is not None:
            return TEXT, self.texts.texts[int(self.codes[position])]
        number = float(self.numbers[position])
        return (NUMBER, number) if kind == NUMBER and number == number else (MISSING, 0.0)
