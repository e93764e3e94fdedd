"""Pictures in a terminal: a tree of what led to what, and a line of what a series did.

They return text; `clew.cli.output.text` prints it beside the value that machines get.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Branch", "listed", "spark", "tree"]

_LEVELS = "▁▂▃▄▅▆▇█"
_PLAIN_LEVELS = "_.-=+*#@"
_IN_LINE = 8


class Branch(NamedTuple):
    """A line of a tree and the lines under it."""

    text: str
    under: tuple[Branch, ...] = ()


def listed(title: str, words: Sequence[str]) -> Branch:
    """Words behind their title, or in lines below it where they are many."""
    lines = [", ".join(words[at : at + _IN_LINE]) for at in range(0, len(words), _IN_LINE)]
    return Branch(title, tuple(map(Branch, lines))) if len(lines) > 1 else Branch(f"{title} {', '.join(words)}")


def tree(top: Branch, *, fancy: bool | None = None) -> str:
    """A tree as lines of text.

    Args:
        top: the first line, with everything under it.
        fancy: whether more than ASCII may be used; None asks stdout.
    """
    tee, last, pipe = ("├─ ", "└─ ", "│  ") if _fancy(fancy) else ("|- ", "`- ", "|  ")

    def lines(branch: Branch, margin: str) -> Iterator[str]:
        for at, child in enumerate(branch.under, 1):
            ends = at == len(branch.under)
            yield margin + (last if ends else tee) + child.text
            yield from lines(child, margin + ("   " if ends else pipe))

    return "\n".join([top.text, *lines(top, "")])


def spark(values: Sequence[float | None], *, fancy: bool | None = None) -> str:
    """A series in one line, scaled from its least to its greatest value; a blank where a value is missing.

    Args:
        values: in order.
        fancy: whether more than ASCII may be used; None asks stdout.
    """
    known = [value for value in values if value is not None and value == value]
    if not known:
        return " " * len(values)
    low, span = min(known), max(known) - min(known)
    levels = _LEVELS if _fancy(fancy) else _PLAIN_LEVELS

    def mark(value: float | None) -> str:
        if value is None or value != value:
            return " "
        return levels[round((value - low) / span * (len(levels) - 1)) if span else len(levels) // 2]

    return "".join(mark(value) for value in values)


def _fancy(asked: bool | None) -> bool:
    return "utf" in (sys.stdout.encoding or "").lower() if asked is None else asked
