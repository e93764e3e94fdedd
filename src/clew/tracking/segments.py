"""The segments of one journal: made in advance, each larger than those before, and kept until they are drained.

In memory where the disk takes none. Not one segment (`segment`), nor what is written into them (`journal`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from clew.tracking.segment import Segment, trusts_mmap
from clew.tracking.slots import Header

__all__ = ["SMALLEST", "Segments"]

SMALLEST = 8_188
"""Slots of the first segment."""
_LARGEST = 131_068
_MEMORY_SLOTS = 4_000_000


class Segments:
    """Segments in the order in which they are written to. The journal's lock guards all but `make`.

    Args:
        folder: made when the first one is.
        run: id of the run.
        journal: id of the journal.
        complain: told when the disk does not take a segment.
        clock_ns: nanoseconds since 1970 UTC.
        mapped: whether to map files; None finds out.
        smallest: slots of the first one.
        main: see `Header`.
        child: see `Header`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        run: str,
        journal: str,
        complain: Callable[[OSError], None],
        clock_ns: Callable[[], int],
        mapped: bool | None,
        smallest: int,
        main: bool,
        child: bool,
    ) -> None:
        self._folder, self._complain, self._mapped, self._smallest = folder, complain, mapped, smallest
        self._next = Header(run, journal, 0, 0, 0, main, os.getpid(), 0, child)
        self._clock_ns = clock_ns
        self.kept: list[Segment] = []
        self.spare: Segment | None = None

    @property
    def last(self) -> Segment | None:
        """The one that is written to."""
        return self.kept[-1] if self.kept else None

    def roll(self, needed: int) -> Segment | None:
        """Go on in another one with room for `needed` slots; None where there is none, on disk or in memory."""
        segment, self.spare = self.spare, None
        if segment is not None and segment.header.capacity < needed:
            segment.close(delete=True)
            segment = None
        if segment is None:
            segment = self.make(self.reserve(needed))
        if segment is not None:
            self.kept.append(segment)
        return segment

    def reserve(self, needed: int = 0) -> Header:
        """The header of the next one. Its number and slots are given away once, used or not."""
        capacity = max(min(self._smallest << min(self._next.number, 4), _LARGEST), needed)
        header = self._next._replace(capacity=capacity, created_ns=self._clock_ns())
        self._next = header._replace(number=header.number + 1, base=header.base + capacity)
        return header

    def make(self, header: Header) -> Segment | None:
        """The segment that was reserved; None where there is no room for it, on disk or in memory."""
        try:
            try:
                return self._make_file(header)
            except FileNotFoundError:  # who looks for orphans took the folder away while it was still empty
                return self._make_file(header)
        except OSError as error:
            self._complain(error)
        if sum(s.header.capacity for s in self.kept if s.in_memory) + header.capacity > _MEMORY_SLOTS:
            return None
        return Segment(header, None, mapped=False)

    def _make_file(self, header: Header) -> Segment:
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._mapped is None:
            self._mapped = trusts_mmap(self._folder)
        return Segment(header, self._folder, mapped=self._mapped)

    def offer(self, segment: Segment) -> None:
        """Take one that was made in advance, unless a later one is in use already."""
        behind = self.kept[-1].header.number >= segment.header.number if self.kept else True
        if behind or self.spare is not None:
            segment.close(delete=True)
        else:
            self.spare = segment

    def let_go(self, drained: int) -> None:
        """Delete those that hold nothing but slots below `drained`; not the first, nor the one that is written to."""
        for segment in self.kept[1:-1]:
            if segment.header.end <= drained:
                self.kept.remove(segment)  # no new list: a signal handler may log, and add one, meanwhile
                segment.close(delete=True)

    def forget(self) -> None:
        """Let go of all in a forked child, whose parent goes on with them."""
        for segment in [*self.kept, *([self.spare] if self.spare else [])]:
            segment.close(delete=False)

    def close(self, *, delete: bool) -> None:
        """Let go of all; the spare one has nothing to keep."""
        if self.spare is not None:
            self.spare.close(delete=True)
        for segment in reversed(self.kept):
            segment.close(delete=delete)
        self.kept, self.spare = [], None
