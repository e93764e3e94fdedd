"""Which version answered and which one was on trial, as bars below a panel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from clew.demo.chapters import Chapter, Deed
from clew.demo.report.scale import Days
from clew.demo.report.words import day_of, short_date

__all__ = ["Bar", "answering", "on_trial", "strip"]

_SIGNS = {"promoted": " ✓", "rejected": " ✗"}
"""Not everybody tells green from red."""

_ENDS = {Deed.PROMOTED: "promoted", Deed.REJECTED: "rejected", Deed.SUPERSEDED: "superseded"}


@dataclass(frozen=True)
class Bar:
    """A span of days with a word in it; `style` is a class of the style sheet, `says` the whole sentence."""

    first: date
    end: date
    word: str
    style: str
    says: str


def answering(chapters: Sequence[Chapter], days: Days) -> list[Bar]:
    """The version that answered, from one promotion to the next."""
    turns = [(day_of(c.at_us), c.version) for c in chapters if c.deed in (Deed.LIVE, Deed.PROMOTED)]
    ends = [day for day, _ in turns[1:]] + [days.end]
    return [
        Bar(first, end, f"v{version}", f"answers shade{at % 2}", f"version {version} answers from {short_date(first)}")
        for at, ((first, version), end) in enumerate(zip(turns, ends, strict=True))
    ]


def on_trial(chapters: Sequence[Chapter], days: Days) -> list[Bar]:
    """The versions on trial, from training to verdict."""
    ends = {chapter.version: chapter for chapter in chapters if chapter.deed in _ENDS}
    bars = []
    for chapter in chapters:
        if chapter.deed is not Deed.RETRAINED:
            continue
        end, first = ends.get(chapter.version), day_of(chapter.at_us)
        until = day_of(end.at_us) if end is not None else days.end
        verdict = _ENDS[end.deed] if end is not None else "undecided"
        says = f"version {chapter.version} on trial from {short_date(first)}: {verdict}"
        word = f"v{chapter.version}{_SIGNS.get(verdict, '')}"
        bars.append(Bar(first, until, word, f"trial {verdict}", says))
    return bars


def strip(days: Days, bars: Iterable[Bar], *, label: str) -> str:
    """A row of bars as HTML."""
    drawn = "".join(
        f'<span class="bar {bar.style}" title="{escape(bar.says)}" style="left:{100 * days.share(bar.first):.2f}%;'
        f'width:{100 * (days.share(bar.end) - days.share(bar.first)):.2f}%">{bar.word}</span>'
        for bar in bars
    )
    return f'<div class="strip"><span class="what">{escape(label)}</span><div class="bars">{drawn}</div></div>'
