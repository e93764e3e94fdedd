"""How texts in rows and columns are laid out on stdout, as wide as the terminal. Which texts: `clew.cli.output`."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

__all__ = ["draw", "draw_record"]

_ANY_WIDTH = 10_000
"""Nothing is cut or folded: a pipe has no width."""

_GAP, _INDENT = 2, "    "


def draw(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    rights: Sequence[bool],
    *,
    title: str = "",
    last_below: bool = False,
) -> None:
    """Print a table.

    Args:
        headings: one a column.
        rows: one text a column.
        rights: whether a column is aligned to the right.
        title: a heading above the table.
        last_below: where the terminal is too narrow, put the last text below its row, in place of folding all of them.
    """
    _head(title)
    width = _console().width
    if not last_below or _width_of(headings, rows) <= width:
        sys.stdout.write(_lines(_grid(headings, rows, rights), width))
        return
    flat = [[" ".join(text.split()) for text in row] for row in rows]
    first, *lines = _lines(_grid(headings[:-1], [row[:-1] for row in flat], rights[:-1]), _ANY_WIDTH).splitlines()
    sys.stdout.write(f"{first}\n")
    for line, row in zip(lines, flat, strict=True):
        below = textwrap.fill(row[-1], width, initial_indent=_INDENT, subsequent_indent=_INDENT)
        sys.stdout.write(f"{line}\n{below}\n")


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


def _plain(words: str) -> str:
    """Text that rich prints as it is: names may hold brackets, which rich would read as markup."""
    from rich.markup import escape

    return escape(words)


def _console(width: int | None = None) -> Console:
    from rich.console import Console

    if width is None and not sys.stdout.isatty():
        width = _ANY_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False, emoji=False)
