"""How the report begins: what was won, how sure that is, and four numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.demo.report.words import money, percent, signed

if TYPE_CHECKING:
    from clew.demo.result import Result

__all__ = ["facts", "header"]


def header(result: Result) -> str:
    """The saving, and what to think of it."""
    low, high = result.saved_interval
    verb = "saved" if result.saved >= 0 else "lost"
    until = "" if result.complete else f" up to {result.months[-1].name}"
    return (
        '<header><p class="kicker">clew demo · flights from New York, 2013</p>'
        f'<h1><span class="big">{money(abs(result.saved))}</span> {verb}<span class="of"> of '
        f"{money(result.cost_static)} ({percent(abs(result.saved_share), 1)})</span></h1>"
        '<p class="lead">Will this flight be 15 minutes late or more, or not arrive at all? A model of January '
        f"answered for every flight{until}. Beside it ran the loop: watch, train again, try in shadow, promote. "
        f"Against the January model left alone the loop {verb} {money(abs(result.saved))}; the 95 % interval over days "
        f"lies between {signed(low)} and {signed(high)}, {_verdict(low, high)}.</p></header>"
    )


def facts(result: Result) -> str:
    """Four numbers."""
    if result.flights_served == result.predictions_logged == result.labels_joined:
        logged = "each logged, each with its label"
    else:
        logged = f"{result.predictions_logged:,} logged, {result.labels_joined:,} labelled so far"
    found = (
        (f"{result.flights_served:,}", f"flights decided over HTTP, {logged}"),
        (f"{result.requests:,}", f"requests, {percent(result.single_share)} of them for a single flight"),
        (f"{result.request_p50_ms:.2f} ms", f"median request; 99 % within {result.request_p99_ms:.1f} ms"),
        (f"{result.retrainings}", f"retrainings; {result.promotions} promoted, {result.rejections} rejected"),
    )
    items = "".join(f"<div><dt>{number}</dt><dd>{words}</dd></div>" for number, words in found)
    return f'<dl class="facts">{items}</dl>'


def _verdict(low: float, high: float) -> str:
    if low > 0:
        return "so the gain is no accident of a few days"
    if high < 0:
        return "so the loop did harm"
    return "so with these days alone it cannot be told from nothing"
