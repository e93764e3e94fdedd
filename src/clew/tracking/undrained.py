"""Takes points home from journals that their own process does not drain: it is gone, or is a child.

Not the drain of a living process (`drain`), nor what else is done for one that is gone (`adopt`). A child has no
thread that drains and, once forked, no safe connection: those processes of its run that have do it. Who drains such a
journal holds the lock of its cut. Reasoning: docs/design/journal.md.
"""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clew.core.contracts.services import RunService
from clew.core.errors import Corrupt
from clew.tracking.cut import Cut, CutFile, cut_path, read_cut
from clew.tracking.drain import Send, blocks_of, drained_until
from clew.tracking.segment import locked, read_header, read_segment
from clew.tracking.slots import SLOT_BYTES, Header, Slots, count_committed, parse_slots

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["TURN_S", "Drained", "drain_child", "drain_children", "drain_dead", "turn"]

TURN_S = 10.0
"""How long to wait for another process that drains the same journal."""


@contextmanager
def turn(folder: Path, journal: str, *, wait_s: float = 0.0) -> Iterator[CutFile | None]:
    """The cut of a journal, locked: nobody else drains it meanwhile. None where there is none, or somebody does.

    Raises:
        TimeoutError: somebody does for longer than `wait_s`.
    """
    path = cut_path(folder, journal)
    with ExitStack() as stack:
        mine = False
        with suppress(OSError):
            mine = stack.enter_context(locked(path, wait_s=wait_s))
        if wait_s and not mine and path.exists():
            raise TimeoutError(errno.ETIMEDOUT, f"another process has been draining it for {wait_s:g} s", str(path))
        cut = CutFile(path)
        stack.callback(cut.close, delete=False)
        yield cut if mine else None


def drain_children(send: Send, folder: Path) -> None:
    """Store what children of the processes of a run have logged so far, whether they live or not.

    Args:
        send: takes their blocks.
        folder: of the run's journals.

    Raises:
        ClewError: it cannot be stored now; it is still in the journals.
    """
    parts: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.glob("*.journal")):  # once: of a training with many workers there are thousands
        parts[path.name.partition(".")[0]].append(path)
    for journal, paths in parts.items():
        if _is_child(paths[0]):
            with turn(folder, journal) as cut:
                if cut is not None:
                    _drain_living(send, paths, journal, cut)


def drain_child(send: Send, folder: Path, journal: str) -> bool:
    """Store what one living child has logged so far, behind who does so at the moment; False where it stays there.

    Args:
        send: as in `drain_children`.
        folder: as there.
        journal: of the child.

    Raises:
        ClewError: as there.
    """
    paths = sorted(folder.glob(f"{journal}.*.journal"))
    with suppress(TimeoutError), turn(folder, journal, wait_s=TURN_S) as cut:
        return cut is not None and _drain_living(send, paths, journal, cut)
    return False


def _is_child(path: Path) -> bool:
    with suppress(OSError, Corrupt):  # as in `_logged`
        header = read_header(path)
        return header is not None and header.child
    return False


def _drain_living(send: Send, paths: Sequence[Path], journal: str, file: CutFile) -> bool:
    """Store what is not stored yet; whether that could be done."""
    cut = read_cut(cut_path(paths[0].parent, journal)) or Cut(0, 0)
    for header, slots, stop in _logged(paths, cut.drained):
        for some, until in zip(_cut_again(slots, cut), (cut.taken, stop), strict=True):
            if until > cut.drained:
                if not file.write(Cut(cut.drained, until)):
                    return False
                blocks = list(blocks_of(header.run, journal, some))
                if blocks:
                    send(blocks)
                cut = Cut(until, until)
                file.write(cut)
    return True


def _logged(paths: Sequence[Path], drained: int) -> Iterator[tuple[Header, Slots, int]]:
    """What segments hold from a slot on, and the slot behind it; no further than one that cannot be read."""
    with suppress(OSError, Corrupt):  # it was adopted meanwhile, or who adopts it will complain of it
        for path, later in zip_longest(paths, paths[1:]):
            header = read_header(path)
            if header is None or header.end <= drained:
                continue
            # A call that is under way leaves a gap, which is waited for; in a segment with one behind it nobody logs.
            full = later is not None
            count = header.capacity if full else count_committed(_data(path), max(drained - header.base, 0))
            if header.base + count > drained:
                slots = parse_slots(_data(path)[: count * SLOT_BYTES], header.base, str(path))
                yield header, slots, header.base + count


def _data(path: Path) -> bytes:
    found = read_segment(path)
    return found[1] if found is not None else b""


class Drained(NamedTuple):
    """What a journal of a process that is gone held: how many points were stored, when the last one was logged, and
    its run, if that ends with it."""

    points: int = 0
    last_us: int = 0
    main: str = ""


def drain_dead(runs: RunService, folder: Path, journal: str, parts: Iterable[tuple[Header, Slots]]) -> Drained:
    """Store what a process that is gone has left of its points.

    Args:
        runs: who takes them.
        folder: of the run's journals.
        journal: whose lock, and whose turn, the caller has.
        parts: its segments.
    """
    found, until, cut = Drained(), dict[str, int](), read_cut(cut_path(folder, journal))
    for header, slots in parts:
        points, last_us, main = found
        for some in [_fresh(runs, header, slots, until)] if cut is None else _cut_again(slots, cut):
            points += len(some.numbers)
            blocks = list(blocks_of(header.run, header.journal, some))
            if blocks:
                runs.append(blocks)
        found = Drained(points, max(last_us, int(slots.times_us.max(initial=0))), header.run if header.main else main)
    return found


def _cut_again(slots: Slots, cut: Cut) -> list[Slots]:
    """The points that are not known to be stored: those that were sent last, as they were sent, and the rest."""
    sent = (slots.numbers >= cut.drained) & (slots.numbers < cut.taken)
    return [_those(slots, sent), _those(slots, slots.numbers >= max(cut.taken, cut.drained))]


def _those(slots: Slots, wanted: NDArray[np.bool_]) -> Slots:
    return Slots(
        numbers=slots.numbers[wanted],
        keys=slots.keys[wanted],
        steps=slots.steps[wanted],
        times_us=slots.times_us[wanted],
        values=slots.values[wanted],
        float_step=slots.float_step[wanted],
        names=slots.names,
    )


def _fresh(runs: RunService, header: Header, slots: Slots, until: dict[str, int]) -> Slots:
    """The points that are not in the ledger yet; `until` remembers how far each metric is drained."""
    import numpy as np

    keys, inverse = np.unique(slots.keys, return_inverse=True)
    for name in (slots.names[key] for key in keys.tolist()):
        if name not in until:
            until[name] = drained_until(header.journal, [b.source for b in runs.blocks(header.run, name)])
    drained = np.array([until[slots.names[key]] for key in keys.tolist()], dtype=np.int64)
    return _those(slots, slots.numbers > drained[inverse.reshape(-1)])
