"""The report as one HTML file that needs nothing else: style, drawings and words are in it."""

from __future__ import annotations

from datetime import date, timedelta
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from clew.demo.report.opening import facts, header
from clew.demo.report.scale import Days
from clew.demo.report.sections import drift, fine_print, latency, money_section, section, skill
from clew.demo.report.table import months_table, story
from clew.demo.report.words import money

if TYPE_CHECKING:
    from clew.demo.result import Curves, Result

__all__ = ["page"]

_BY_MONTH = (
    "Loop is the endpoint as it was; static is version 1, scored on the same flights in shadow and never retrained. "
    "Costs are in units of the value contract: 50 for a late flight without a warning, 10 for a warning about a "
    "punctual one."
)
_STORY = (
    "Dates are those of the flights. A version on trial is promoted as soon as it is cheaper with 95 % confidence, "
    "which is one-sided and allows for looking every day; the intervals shown are two-sided. It is rejected when it is "
    "as surely dearer, or undecided after 60 days."
)


def page(result: Result, curves: Curves) -> str:
    """The whole page.

    Args:
        result: the year.
        curves: what its charts show.
    """
    first, last = (date.fromisoformat(curves.days[at].date) for at in (0, -1))
    days = Days(first, last + timedelta(days=1))
    parts = [
        header(result),
        facts(result),
        money_section(result, curves, days),
        skill(result, curves, days),
        drift(curves, days),
        section("By month", months_table(result), lead=_BY_MONTH),
        section("What the loop did", story(result.chapters), lead=_STORY),
        latency(result, curves),
        fine_print(result),
    ]
    title = f"Late flights, 2013: the loop saved {money(result.saved)}" if result.saved > 0 else "Late flights, 2013"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{_file('style.css')}</style></head>"
        f"<body><main>{''.join(parts)}</main><script>{_file('script.js')}</script></body></html>\n"
    )


def _file(name: str) -> str:
    return (files("clew.demo.report") / name).read_text(encoding="utf-8")
