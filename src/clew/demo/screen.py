"""Draws how the replay stands: redrawn on a terminal, a line at the end of each month and for each piece of news
elsewhere. It only reads, from a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from clew.core.clock import format_us
from clew.demo.standing import Standing

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["drawn", "lines_of"]

_REDRAW_S = 0.25
_LOOK_S = 0.2
_BAR_CELLS = 30
_LABEL_CELLS = 13


@contextmanager
def drawn(standing: Standing, out: TextIO) -> Iterator[None]:
    """Show how the replay stands while the block runs.

    Args:
        standing: what the replay writes.
        out: stderr, usually.
    """
    if out.isatty():
        from rich.console import Console
        from rich.live import Live

        console = Console(file=out, highlight=False, emoji=False)
        with Live(console=console, refresh_per_second=1 / _REDRAW_S, get_renderable=lambda: _picture(standing)):
            yield
        return
    over = threading.Event()
    words = (standing, standing.phase, out, over)
    thread = threading.Thread(target=_tell, args=words, name="clew-demo-lines", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def lines_of(standing: Standing, now_s: float) -> list[tuple[str, str]]:
    """What there is to see as pairs of label and text.

    Args:
        standing: what the replay writes.
        now_s: of the monotonic clock.
    """
    if not standing.total:
        return [("", f"{standing.phase} …")]
    share = min(standing.flights / standing.total, 1.0)
    full = round(share * _BAR_CELLS)
    elapsed_s = now_s - standing.began_s
    rest = standing.total - standing.flights
    left = f", {_minutes(rest / standing.rate)} left" if standing.fresh > _ENOUGH and rest else ""
    trial = f", version {standing.challenger} on trial" if standing.challenger else ""
    saved = standing.cost_static - standing.cost_loop
    return [
        (_date(standing.at_us), f"{'━' * full}{'┄' * (_BAR_CELLS - full)} {share:4.0%}  {_minutes(elapsed_s)}{left}"),
        ("flights", f"{standing.flights:,} of {standing.total:,}, {standing.rate:,.0f} a second"),
        ("answers", f"version {standing.champion or 1}{trial}"),
        (
            "cost so far",
            f"loop {standing.cost_loop:,.0f}, never retrained {standing.cost_static:,.0f}, saved {saved:+,.0f}",
        ),
        ("drifted", ", ".join(standing.drifted[:_COLUMNS]) or "–"),
        *(("", text) for text in standing.news),
    ]


_ENOUGH = 2_000
"""Flights from which a rate says something."""

_COLUMNS = 6


def _picture(standing: Standing) -> RenderableType:
    from rich.text import Text

    text = Text(no_wrap=True, overflow="ellipsis")
    for label, words in lines_of(standing, time.monotonic()):
        text.append(f"{label:<{_LABEL_CELLS}}", style="bold" if label else "")
        text.append(f"{words}\n", style="" if label else "dim")
    return text


def _tell(standing: Standing, phase: str, out: TextIO, over: threading.Event) -> None:
    """Lines for a log: phases behind this one, months, news."""
    month, told = "", 0
    while True:
        last = over.wait(_LOOK_S)
        lines = []
        if standing.phase != phase:
            phase = standing.phase
            lines.append(phase)
        before, told = told, standing.told
        lines += list(standing.news)[before - told :] if told > before else []
        if standing.total and format_us(standing.at_us)[:7] != month:
            month = format_us(standing.at_us)[:7]
            saved = standing.cost_static - standing.cost_loop
            lines.append(
                f"{month}: {standing.flights:,} of {standing.total:,} flights, {standing.rate:,.0f} a second, "
                f"version {standing.champion or 1} answers, saved {saved:+,.0f}"
            )
        with suppress(OSError, ValueError):  # nobody reads any more: no reason to stop the replay
            out.write("".join(f"{line}\n" for line in lines))
            out.flush()
        if last:
            return


def _date(at_us: int) -> str:
    return format_us(at_us)[:10] if at_us else "2013-02-01"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
