"""How texts in rows and columns are laid out on stdout, as wide as the terminal. Which texts: `clew.cli.output`."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

__all__ = ["NOTHING", "draw", "draw_record"]

NOTHING = "–"
"""What stands where there is no value."""

_ANY_WIDTH = 10_000
"""Nothing is cut or folded: a pipe has no width."""

_GAP, _INDENT = 2, "    "


def draw(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    rights: Sequence[bool],
    *,
    title: str = "",
    below: int = 0,
    spares: Sequence[int] = (),
    advice: str = "",
) -> None:
    """Print a table.

    Args:
        headings: one a column.
        rows: one text a column.
        rights: whether a column is aligned to the right.
        title: a heading above the table.
        below: where the terminal is too narrow, so many of the last texts stand below their row, in place of folding.
        spares: how soon each column is left out where the terminal is too narrow, the greatest first; a column with 0
            stays. A table in which some may go folds no text.
        advice: how to see what was left out.
    """
    _head(title)
    width = _console().width
    if _width_of(headings, rows) <= width or not (below or any(spares)):
        sys.stdout.write(_lines(_grid(headings, rows, rights), width))
        return
    stops = len(headings) - below
    kept = _kept(headings[:stops], [row[:stops] for row in rows], spares[:stops], width)
    flat = [[" ".join(text.split()) for text in row] for row in rows]
    grid = _grid([headings[at] for at in kept], [[row[at] for at in kept] for row in flat], [rights[at] for at in kept])
    first, *lines = _lines(grid, _ANY_WIDTH).splitlines()
    sys.stdout.write(f"{first}\n")
    for line, row in zip(lines, flat, strict=True):
        sys.stdout.write("".join([f"{line}\n", *(_below(text, width) for text in row[stops:])]))
    left_out = ", ".join(heading for at, heading in enumerate(headings[:stops]) if at not in kept)
    if left_out:
        sys.stdout.write(_dim(f"no room for {left_out}: {advice}" if advice else f"no room for {left_out}"))


def _kept(headings: Sequence[str], rows: Sequence[Sequence[str]], spares: Sequence[int], width: int) -> list[int]:
    """The places of the columns that a width has room for."""
    kept = list(range(len(headings)))
    for at in sorted(kept, key=lambda at: (spares[at] if spares else 0, at), reverse=True):
        if not (spares and spares[at]):
            break
        if _width_of([headings[at] for at in kept], [[row[at] for at in kept] for row in rows]) <= width:
            break
        kept.remove(at)
    return kept


def _below(text: str, width: int) -> str:
    if text == NOTHING:
        return ""
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_on_hyphens=False,  # they stand in paths and options
    )
    return "".join(f"{line}\n" for line in lines)


def draw_record(rows: Sequence[tuple[str, str]], *, title: str = "") -> None:
    """Print names with a text each, below each other."""
    import rich.table

    _head(title)
    grid = rich.table.Table(box=None, pad_edge=False, show_header=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(name, _plain(text))
    sys.stdout.write(_lines(grid, _console().width))


def _head(title: str) -> None:
    if title:
        sys.stdout.write(f"{title}\n")


def _grid(headings: Sequence[str], rows: Sequence[Sequence[str]], rights: Sequence[bool]) -> Table:
    import rich.table

    grid = rich.table.Table(box=None, pad_edge=False, header_style="bold")
    for heading, right in zip(headings, rights, strict=True):
        grid.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*map(_plain, row))
    return grid


def _width_of(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """The cells of a terminal that a table takes where nothing is folded."""
    from rich.cells import cell_len

    widest = (max(map(cell_len, column)) for column in zip(headings, *rows, strict=True))
    return sum(widest) + _GAP * (len(headings) - 1)


def _lines(grid: Table, width: int) -> str:
    """What rich makes of a grid, without the blanks at the ends of its lines."""
    with (console := _console(width)).capture() as captured:
        console.print(grid)
    return "".join(line.rstrip() + "\n" for line in captured.get().splitlines())


def _dim(words: str) -> str:
    """A line that stands back, where the terminal can show that."""
    import rich.text

    with (console := _console(_ANY_WIDTH)).capture() as captured:
        console.print(rich.text.Text(words, style="dim"))
    return captured.get()


def _plain(words: str) -> str:
    """Text that rich prints as it is: names may hold brackets, which rich would read as markup."""
    from rich.markup import escape

    return escape(words)


def _console(width: int | None = None) -> Console:
    from rich.console import Console

    if width is None and not sys.stdout.isatty():
        width = _ANY_WIDTH
    height = None if width is None else 25  # without one rich takes 80 columns where TERM is dumb, whatever the width
    return Console(file=sys.stdout, width=width, height=height, highlight=False, emoji=False)
