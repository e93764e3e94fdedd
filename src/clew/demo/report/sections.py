"""The sections with charts, and the fine print: what each shows, and in which words."""

from __future__ import annotations

from datetime import date
from itertools import accumulate
from typing import TYPE_CHECKING

from clew.demo.chapters import Deed
from clew.demo.report.heat import heat_map
from clew.demo.report.histogram import histogram
from clew.demo.report.panel import Line, Mark, month_axis, panel
from clew.demo.report.strip import answering, on_trial, strip
from clew.demo.report.words import day_of, money, percent, signed

if TYPE_CHECKING:
    from clew.demo.report.scale import Days
    from clew.demo.result import Curves, Result

__all__ = ["drift", "fine_print", "latency", "money_section", "section", "skill"]

_FEWEST_FLIGHTS = 500
"""A week with fewer says nothing about skill."""

_SAVED = (
    "What the January model left alone would have cost more, day by day. Flat where both decided alike, falling where "
    "the loop was the worse of the two."
)
_DRIFT = (
    "How far the flights of a week lie from those that the answering version was trained on (Jensen–Shannon distance). "
    "A promotion moves the reference. The weather of one week differs from that of several months in any case: what "
    "the monitor alarms allows for the size of its windows, for how alike the flights of one day are, and for looking "
    "every day. A dot is an alert, raised once where a column begins to drift; the line goes on for as long as it has. "
    "A model that learned one season and answers in another has drifted on nearly every day, and was told so once."
)


def section(title: str, body: str, *, lead: str = "") -> str:
    """A section with its heading and what to look for."""
    words = f'<p class="lead">{lead}</p>' if lead else ""
    return f"<section><h2>{title}</h2>{words}{body}</section>"


def money_section(result: Result, curves: Curves, days: Days) -> str:
    """What was saved, which version answered, and what both cost."""
    dates = [date.fromisoformat(day.date) for day in curves.days]
    loop = list(accumulate(day.cost_loop for day in curves.days))
    static = list(accumulate(day.cost_static for day in curves.days))
    saved = [without - with_it for without, with_it in zip(static, loop, strict=True)]
    ahead = panel(
        days,
        [Line("saved", "loop", list(zip(dates, saved, strict=True)))],
        height=220,
        title="Saved so far, by day",
        describe=f"It ends at {signed(saved[-1])}.",
        low=0.0,
        fill=True,
        marks=_promotions(result),
        hint="Point at a chart, or tap it, to read off its values.",
    )
    both = panel(
        days,
        [
            Line("static", "static", list(zip(dates, static, strict=True))),
            Line("loop", "loop", list(zip(dates, loop, strict=True))),
        ],
        height=150,
        title="Cost so far of both, by day",
        describe=f"Static ends at {money(static[-1])}, the loop at {money(loop[-1])}.",
        low=0.0,
        fill=True,
    )
    bars = strip(days, answering(result.chapters, days), label="answers")
    bars += strip(days, on_trial(result.chapters, days), label="on trial")
    return section(
        "Saved so far",
        f"<figure>{ahead}{bars}{month_axis(days)}<figcaption>Upright lines are promotions. A version on trial was "
        '<b class="k-promoted">promoted ✓</b>, <b class="k-rejected">rejected ✗</b> or still undecided at its end.'
        "</figcaption></figure>"
        f"<figure><h3>Cost so far</h3>{_legend(('loop', 'loop'), ('static', 'static: version 1, never retrained'))}"
        f"{both}{month_axis(days)}</figure>",
        lead=_SAVED,
    )


def skill(result: Result, curves: Curves, days: Days) -> str:
    """How well both tell late flights from punctual ones, by week."""
    weeks = [
        (max(date.fromisoformat(week.date), days.first), week)
        for week in curves.weeks
        if week.flights >= _FEWEST_FLIGHTS
    ]
    drawn = panel(
        days,
        [
            Line("static", "static", [(day, week.auc_static) for day, week in weeks]),
            Line("loop", "loop", [(day, week.auc_loop) for day, week in weeks]),
        ],
        height=200,
        title="AUC by week of the loop and of version 1",
        describe="Higher is better; 0.5 is guessing.",
        decimals=2,
        marks=_promotions(result),
    )
    pairs = [(week.auc_loop or 0.0, week.auc_static or 0.0) for _, week in weeks]
    ahead, behind = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    return section(
        "Telling late from punctual, week by week",
        f"<figure>{_legend(('loop', 'loop'), ('static', 'static'))}{drawn}{month_axis(days)}</figure>",
        lead="Area under the ROC curve: the chance that of a late and a punctual flight the late one has the higher "
        f"score; 0.5 is guessing. The loop was ahead in {ahead} weeks and behind in {behind}; in the others both were "
        "one model.",
    )


def drift(curves: Curves, days: Days) -> str:
    """The map of drift."""
    ramp = "".join(f'<i style="opacity:{0.04 + 0.92 * step / 4:.2f}"></i>' for step in range(5))
    legend = (
        f'<p class="legend"><span class="ramp">0 {ramp} 0.5</span>'
        '<span><i class="dotkey" aria-hidden="true"></i> alert raised</span>'
        '<span><i class="onkey" aria-hidden="true"></i> drifted</span></p>'
    )
    return section(
        "Drift, column by column",
        f'<figure>{legend}{heat_map(days, curves.cells)}<div class="heataxis">{month_axis(days)}</div></figure>',
        lead=_DRIFT,
    )


def latency(result: Result, curves: Curves) -> str:
    """How long requests took."""
    drawn = histogram(curves.times, p50_ms=result.request_p50_ms, p99_ms=result.request_p99_ms)
    return section(
        "How long a request took",
        f"<figure>{drawn}<figcaption>Requests by milliseconds, as the caller saw them over HTTP, on this machine."
        "</figcaption></figure>",
        lead=f"Half of the {result.requests:,} requests were answered within {result.request_p50_ms:.2f} ms, 99 of 100 "
        f"within {result.request_p99_ms:.1f} ms. The endpoint itself, from reading the request to the decision in its "
        f"journal, took {result.endpoint_p50_ms:.2f} and {result.endpoint_p99_ms:.1f} ms. Up to "
        f"{result.largest_request} flights shared a request, and every version in shadow scored them too.",
    )


def fine_print(result: Result) -> str:
    """What to keep in mind."""
    trivial = min(result.cost_never, result.cost_always)
    later = (
        f"<li>{result.scored_later:,} flights were scored by version 1 afterwards, from the logged inputs: a process "
        "was killed between an answer and what ran in shadow behind it.</li>"
        if result.scored_later
        else ""
    )
    return section(
        "What to keep in mind",
        '<ul class="plain">'
        f"<li>No warning at all would have cost {money(result.cost_never)}, a warning about every flight "
        f"{money(result.cost_always)}. Against the cheaper of these version 1 alone "
        f"{_against(trivial, result.cost_static)} and the loop {_against(trivial, result.cost_loop)}.</li>"
        "<li>Version 1 learned from January but for its last day, whose outcomes were not known when it went live, and "
        "but for every fifth day, which is kept for its test. Its cost moves by some 4 % with the days that it is "
        "given: a luckier January would have left less to save. The interval does not contain that.</li>"
        "<li>Which columns the model takes and how large its trees are was settled with the whole year in view. That "
        "flatters both sides, and perhaps the loop a little more.</li>"
        "<li>A label comes one day after scheduled departure, and nothing uses it sooner. Weather is that of the hour "
        "before. Planes are left out: a missing tail number gives cancelled flights away.</li>"
        "<li>Days are those of New York, and are what the interval counts: flights of one evening share their storm. "
        "Neighbouring days are taken to be independent, which makes the interval somewhat too narrow.</li>"
        f"{later}</ul>",
    )


def _against(trivial: float, cost: float) -> str:
    verb = "saves" if cost <= trivial else "loses"
    return f"{verb} {percent(abs(trivial - cost) / trivial, 1)}" if trivial else "has nothing to win"


def _promotions(result: Result) -> list[Mark]:
    return [Mark(day_of(each.at_us), "promoted") for each in result.chapters if each.deed is Deed.PROMOTED]


def _legend(*entries: tuple[str, str]) -> str:
    keys = "".join(f'<span><i class="key {style}" aria-hidden="true"></i>{words}</span>' for style, words in entries)
    return f'<p class="legend">{keys}</p>'
