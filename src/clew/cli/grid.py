"""How texts in rows and columns are laid out on stdout, as wide as the terminal. Which texts: `clew.cli.output`."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

__all__ = ["NOTHING", "GridColumn", "draw", "draw_record"]

NOTHING = "–"
"""What stands where there is no value."""

_ANY_WIDTH = 1 << 30
"""Nothing is cut or folded: a pipe has no width, and a text may have any length."""

_GAP, _INDENT = 2, "    "


class GridColumn(NamedTuple):
    """One column as it is laid out.

    Args:
        heading: what stands above it.
        right: whether it is aligned to the right.
        long: of the last columns: its texts stand below their row, unfolded, where the terminal is too narrow.
        spare: how soon it is left out where the terminal is too narrow, the greatest first; one with 0 stays. A table
            in which some may go folds no text.
        least: to how many characters its texts are cut before anything is left out; 0 cuts none.
    """

    heading: str
    right: bool = False
    long: bool = False
    spare: int = 0
    least: int = 0


def draw(
    columns: Sequence[GridColumn],
    rows: Sequence[Sequence[str]],
    *,
    narrow: Sequence[Sequence[str]] | None = None,
    title: str = "",
    advice: str = "",
) -> None:
    """Print a table.

    Args:
        columns: what they look like.
        rows: one text a column.
        narrow: the same in fewer characters, for a terminal that has no room for these.
        title: a heading above the table.
        advice: how to see what was left out.
    """
    _head(title)
    rows = [[" ".join(text.split()) if "\n" in text else text for text in row] for row in rows]
    width = _console().width
    if _width_of([column.heading for column in columns], rows) <= width or not any(c.long or c.spare for c in columns):
        sys.stdout.write(_lines(_grid(columns, rows), width))
        return
    stops = sum(not column.long for column in columns)
    flat = [[" ".join(text.split()) for text in row] for row in narrow or rows]
    kept = _kept(columns[:stops], [row[:stops] for row in flat], width)
    heads = [columns[at]._replace(heading=_cut(columns[at].heading, room)) for at, room in kept.items()]
    grid = _grid(heads, [[_cut(row[at], room) for at, room in kept.items()] for row in flat])
    first, *lines = _lines(grid, _ANY_WIDTH).splitlines()
    sys.stdout.write(f"{first}\n")
    for line, row in zip(lines, flat, strict=True):
        sys.stdout.write("".join([f"{line}\n", *(_below(text, width) for text in row[stops:])]))
    left_out = ", ".join(column.heading for at, column in enumerate(columns[:stops]) if at not in kept)
    if left_out:
        sys.stdout.write(_dim(f"no room for {left_out}: {advice}" if advice else f"no room for {left_out}", width))


def _kept(columns: Sequence[GridColumn], rows: Sequence[Sequence[str]], width: int) -> dict[int, int]:
    """The columns that a width has room for, by place, and how much room each of them gets."""
    whole = [_width_of([column.heading], [[row[at]] for row in rows]) for at, column in enumerate(columns)]
    kept = {at: min(column.least or whole[at], whole[at]) for at, column in enumerate(columns)}
    for at in sorted(kept, key=lambda at: (columns[at].spare, at), reverse=True):
        if not columns[at].spare or sum(kept.values()) + _GAP * (len(kept) - 1) <= width:
            break
        del kept[at]
    left = max(width - sum(kept.values()) - _GAP * (len(kept) - 1), 0)
    for at, least in kept.items():
        kept[at] = min(whole[at], least + left)
        left -= kept[at] - least
    return kept


def _cut(text: str, width: int) -> str:
    """A text without its middle, where it is too long: names that begin alike differ at their ends."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{set_cell_size(text, width - 1 - end)}…{set_cell_size(text[::-1], end)[::-1]}"


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


def _grid(columns: Sequence[GridColumn], rows: Sequence[Sequence[str]]) -> Table:
    import rich.table

    grid = rich.table.Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column.heading, justify="right" if column.right else "left", overflow="fold")
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


def _dim(words: str, width: int) -> str:
    """Lines that stand back, where the terminal can show that."""
    import rich.text

    with (console := _console(_ANY_WIDTH)).capture() as captured:
        console.print(rich.text.Text(textwrap.fill(words, width, break_on_hyphens=False), style="dim"))
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
