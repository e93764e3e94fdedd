"""Tells apart what a walk over a chain found odd: changed, moved, put in, taken away, or only behind one of these.

A row's hash says where it belongs: it was made of its place, the hash before it and the event. So each odd row is
tried at the places that are odd or empty, behind the hashes that stand before them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from clew.audit.chain import ChainWalk, Odd, read_event
from clew.audit.problem import Found, Problem
from clew.core.ids import is_id, time_us_of
from clew.core.types.event import START, SealedEvent, chain_hash

__all__ = ["explain"]

_MOST_TRIES = 50_000


def explain(walk: ChainWalk) -> None:
    """Add to the walk's problems what its odd rows and gaps mean."""
    places, hashes = _places(walk), _hashes(walk)
    tries = iter(range(_MOST_TRIES))
    moved: dict[int, int] = {}
    left: list[Odd] = []
    for odd in walk.odd:
        place = _place_of(odd.row, places, hashes, tries)
        if place is None:
            left.append(odd)
        elif place not in {odd.row.position - shift for shift in _shifts(walk)}:
            moved[place] = odd.row.position
            text = f"it was event {place}, and stands at {odd.row.position} now"
            walk.problems.add(of_row(Found.MOVED, odd.row, text, position=place))
    _tell_shifts(walk)
    _tell_gaps(walk, moved)
    for odd in left:
        _tell_left(walk, odd)


def of_row(found: Found, row: SealedEvent, text: str, *, position: int | None = None) -> Problem:
    """A problem of a stored row, named by its columns where its event cannot be read."""
    event = read_event(row.document)
    at_us = event.at_us if event else time_us_of(row.id) if is_id(row.id) else 0
    return Problem(
        found=found,
        text=text,
        position=row.position if position is None else position,
        id=event.id if event else row.id,
        kind=event.kind if event else row.kind,
        at_us=at_us,
    )


def _places(walk: ChainWalk) -> list[int]:
    odd = [row.row.position - shift for row in walk.odd for shift in _shifts(walk)]
    missing = [place for first, last in walk.gaps for place in range(first, min(last, first + 100) + 1)]
    return list(dict.fromkeys([*odd, *missing]))


def _hashes(walk: ChainWalk) -> list[str]:
    near = [value for odd in walk.odd for value in (*odd.before, odd.row.hash)]
    return list(dict.fromkeys([START, *near]))


def _shifts(walk: ChainWalk) -> list[int]:
    """Every count by which rows stand away from where they were sealed."""
    total, found = 0, [0]
    for shift in walk.shifts:
        total += shift.step
        found.append(total)
    return found


def _place_of(row: SealedEvent, places: list[int], hashes: list[str], tries: Iterator[int]) -> int | None:
    """Where a row was sealed: here, or at one of the places; None when it fits nowhere."""
    near = [place for place in places if abs(place - row.position) <= 1]
    for place in dict.fromkeys([row.position, *near, *places]):
        for previous in hashes:
            if next(tries, None) is None:
                return None
            if chain_hash(place, previous, row.document) == row.hash:
                return place
    return None


def _tell_shifts(walk: ChainWalk) -> None:
    for shift in walk.shifts:
        if shift.step < 0:
            text = f"{-shift.step} events were taken away before this one, and those behind numbered anew"
            walk.problems.add(of_row(Found.MISSING, shift.row, text))
        for row in shift.added:
            walk.problems.add(
                of_row(Found.INSERTED, row, "the chain never held it, and those behind are numbered anew")
            )


def _tell_gaps(walk: ChainWalk, moved: dict[int, int]) -> None:
    for first, last in walk.gaps:
        for start, end in _without(range(first, last + 1), moved):
            what = f"event {start} is" if start == end else f"events {start} to {end} are"
            at_end = end == walk.tail.position and not (walk.last and walk.last.position > end)
            text = f"{what} missing" + (": the end of the chain was cut off" if at_end else "")
            walk.problems.add(Problem(found=Found.MISSING, text=text, position=start))


def _without(numbers: range, moved: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The stretches of a range between numbers that are explained otherwise."""
    start = numbers.start
    for place in sorted(place for place in moved if place in numbers):
        if place > start:
            yield start, place - 1
        start = place + 1
    if start < numbers.stop:
        yield start, numbers.stop - 1


def _tell_left(walk: ChainWalk, odd: Odd) -> None:
    row = odd.row
    if any(row is each for shift in walk.shifts for each in (shift.row, *shift.added)):
        return  # told already
    if row.position in walk.hashes_wrong:
        walk.problems.add(of_row(Found.HASH, row, "its hash was changed; the event itself is as it was sealed"))
    elif not 0 < row.position <= walk.tail.position:
        walk.problems.add(of_row(Found.INSERTED, row, "the chain never held it"))
    elif odd.follows:
        text = "it stands behind one that is gone or changed: nothing shows whether it was changed too"
        walk.problems.add(of_row(Found.DOUBTFUL, row, text))
    else:
        before = f" (or event {row.position - 1} was changed and hashed anew)" if row.position > 1 else ""
        walk.problems.add(of_row(Found.CHANGED, row, f"it is not what was sealed{before}"))
