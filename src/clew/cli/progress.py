"""Progress on stderr for anything that may take over a second; stdout stays for results.

On a terminal it is one line that is redrawn and wiped at the end; elsewhere (a log of continuous integration) a line
every ten seconds. Work that ends at once shows nothing. A thread draws, so that the work only adds to a number.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from clew.cli.output import amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Progress", "line_of", "progress"]

_FIRST_S, _REDRAW_S, _LOG_S = 0.5, 0.1, 10.0
_BAR_CELLS = 20


class Progress:
    """What is done so far; one thread adds to it, another draws it."""

    def __init__(self, label: str, total: int | None, unit: str) -> None:
        self.label, self.total, self.unit, self.done = label, total, unit, 0

    def advance(self, by: int = 1) -> None:
        """Add what was done since the last call."""
        self.done += by

    def move_to(self, done: int) -> None:
        """Say what is done in all, for work that counts by itself."""
        self.done = done


@contextmanager
def progress(
    label: str, total: int | None = None, *, unit: str = "", stream: TextIO | None = None
) -> Iterator[Progress]:
    """Show that something long goes on, while the block runs.

    Args:
        label: what goes on (`adding flights`).
        total: how much there is to do, when that is known; `Progress.total` may be set later.
        unit: what is counted (`rows`, `files`); `bytes` are shown as a size.
        stream: stderr by default.
    """
    state = Progress(label, total, unit)
    out = stream if stream is not None else sys.stderr
    over = threading.Event()
    drawer = threading.Thread(target=_draw, args=(state, out, over), name="clew-progress", daemon=True)
    drawer.start()
    try:
        yield state
    finally:
        over.set()
        drawer.join()


def line_of(state: Progress, elapsed_s: float, *, fancy: bool = False) -> str:
    """One line on what is done.

    Args:
        state: what is done.
        elapsed_s: seconds since the start.
        fancy: whether the bar may use more than ASCII.
    """
    done, total = state.done, state.total
    parts = [state.label]
    if total:
        share = min(done / total, 1.0)
        full = round(share * _BAR_CELLS)
        parts += [("━" if fancy else "#") * full + ("┄" if fancy else ".") * (_BAR_CELLS - full), f"{share:4.0%}"]
        parts.append(f"{amount(done, 'bytes' if state.unit == 'bytes' else '')} of {amount(total, state.unit)}")
    elif done:
        parts.append(amount(done, state.unit))
    parts.append(_clock(elapsed_s))
    if total and 0 < done < total and elapsed_s >= 1:
        parts.append(f"{_clock(elapsed_s * (total - done) / done)} left")
    return "  ".join(parts)


def _draw(state: Progress, out: TextIO, over: threading.Event) -> None:
    began, drawn = time.monotonic(), False
    terminal = out.isatty()
    wait_s = _FIRST_S if terminal else _LOG_S
    show = _redraw if terminal else _append
    while not over.wait(wait_s):
        wait_s = _REDRAW_S if terminal else _LOG_S
        drawn = _try(lambda: show(out, state, time.monotonic() - began))
    if terminal and drawn:
        _try(lambda: out.write("\r\x1b[K") and out.flush())


def _redraw(out: TextIO, state: Progress, elapsed_s: float) -> None:
    line = line_of(state, elapsed_s, fancy="utf" in (out.encoding or "").lower())
    out.write("\r" + line[: shutil.get_terminal_size().columns - 1] + "\x1b[K")
    out.flush()


def _append(out: TextIO, state: Progress, elapsed_s: float) -> None:
    out.write(line_of(state, elapsed_s) + "\n")
    out.flush()


def _try(write: Callable[[], object]) -> bool:
    """Write, unless nobody reads any more: progress is no reason to stop the work."""
    try:
        write()
    except (OSError, ValueError):
        return False
    return True


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
