"""The cells of a notebook that were executed so far, in the order in which they were: what stands in for a script.

As IPython keeps them, magic and all, in the percent form that editors open as cells. Not the notebook's file, which
this process does not know, and not what cells printed: that is the console.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from clew.tracking.capture.secrets import find_secret

__all__ = ["CELLS", "Cells", "executed_cells", "in_notebook", "take_cells"]

CELLS = "cells.py"
"""The artifact of a run that holds them."""

_MOST_BYTES = 1 << 20


class Cells(msgspec.Struct, frozen=True, kw_only=True):
    """The cells as one text, and what was left out of it, in words."""

    text: str
    left_out: list[str]


def in_notebook() -> bool:
    """Whether this process is a kernel of a notebook or an interactive IPython."""
    return _shell() is not None


def executed_cells() -> list[str]:
    """What this kernel has executed since it began, the cell that runs now included; nothing outside of IPython."""
    shell = _shell()
    return list(shell.history_manager.input_hist_raw[1:]) if shell is not None else []


def take_cells(sources: list[str]) -> Cells:
    """The text of some cells, without secrets.

    Args:
        sources: the cells in order, the first one is number 1; empty ones are left out.
    """
    parts: list[str] = []
    left_out: list[str] = []
    size_bytes = 0
    for number, source in enumerate(sources, 1):
        code, head = source.strip("\n"), f"# %% [{number}]\n"
        if not code.strip():
            continue
        secret, size = find_secret("", code.encode(errors="replace")), len(code.encode(errors="replace"))
        reason = secret or ("the cells are larger than 1 MiB with it" if size_bytes + size > _MOST_BYTES else "")
        if reason:
            left_out.append(f"cell {number}: {reason}")
            code = f"# left out: {reason}"
        else:
            size_bytes += size
        parts.append(f"{head}{code}\n")
    return Cells(text="\n".join(parts), left_out=left_out)


def _shell() -> Any:
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
