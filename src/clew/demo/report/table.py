"""The months as a table, and what the loop did as a list."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from clew.demo.chapters import Chapter, Deed
from clew.demo.report.heat import named
from clew.demo.report.words import day_of, long_date, money, percent, signed
from clew.demo.result import Month, Result

__all__ = ["deeds_of", "drifted_of", "months_table", "story"]

_NAMED = 2

_VERBS = {
    Deed.LIVE: "goes live",
    Deed.RETRAINED: "is trained and put on trial",
    Deed.PROMOTED: "is promoted",
    Deed.REJECTED: "is rejected",
    Deed.SUPERSEDED: "makes way for a newer one",
}


def deeds_of(month: Month) -> str:
    """What the loop did in a month: `1 retrained, 1 promoted`."""
    done = (("retrained", month.retrainings), ("promoted", month.promotions), ("rejected", month.rejections))
    return ", ".join(f"{count} {word}" for word, count in done if count)


def drifted_of(month: Month) -> str:
    """The columns that were drifted on most days of a month: `temp, dewp +2`."""
    more = len(month.drifted) - _NAMED
    return ", ".join(map(named, month.drifted[:_NAMED])) + (f" +{more}" if more > 0 else "")


def months_table(result: Result) -> str:
    """One row a month, and the year at the end."""
    head = "".join(
        f'<th scope="col"{css}>{name}</th>'
        for name, css in (
            ("Month", ""),
            ("Saved", ' class="n"'),
            ("Cost<br><small>loop · static</small>", ' class="n"'),
            ("AUC<br><small>loop · static</small>", ' class="n"'),
            ("Flights", ' class="n"'),
            ("Late", ' class="n"'),
            ("Drift<br>alerts", ' class="n"'),
            ("Drifted on most days", ""),
            ("What the loop did", ""),
        )
    )
    rows = "".join(_row(month) for month in result.months)
    deeds = f"{result.retrainings} retrained, {result.promotions} promoted, {result.rejections} rejected"
    total = (
        f'<tr><th scope="row">{"Year" if result.complete else "So far"}</th><td class="n">{signed(result.saved)}</td>'
        f'<td class="n">{_two(money(result.cost_loop), money(result.cost_static))}</td><td></td>'
        f'<td class="n">{result.flights_served:,}</td><td></td>'
        f'<td class="n">{sum(month.alerts for month in result.months)}</td><td></td>'
        f"<td>{_unbroken(deeds)}</td></tr>"
    )
    return (
        '<div class="scroll" role="region" aria-label="Table by month" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody><tfoot>{total}</tfoot></table></div>"
    )


def story(chapters: Sequence[Chapter]) -> str:
    """What happened and why, as a list."""
    items = "".join(
        f'<li class="{chapter.deed.value}"><time>{long_date(day_of(chapter.at_us))}</time>'
        f"<p><b>{_what(chapter)}.</b> {escape(_sentence(chapter))}</p></li>"
        for chapter in chapters
    )
    return f'<ol class="story">{items}</ol>'


def _what(chapter: Chapter) -> str:
    return f"Version {chapter.version} {_VERBS[chapter.deed]}" if chapter.version else "A retraining fails"


def _row(month: Month) -> str:
    sign = "good" if month.saved > 0 else "bad" if month.saved < 0 else ""
    return (
        f'<tr><th scope="row">{month.name}</th><td class="n {sign}">{signed(month.saved)}</td>'
        f'<td class="n">{_two(money(month.cost_loop), money(month.cost_static))}</td>'
        f'<td class="n">{_two(_auc(month.auc_loop), _auc(month.auc_static))}</td>'
        f'<td class="n">{month.flights:,}</td><td class="n">{percent(month.late_share)}</td>'
        f'<td class="n">{month.alerts}</td><td>{escape(drifted_of(month)) or "–"}</td>'
        f'<td class="did">{_unbroken(deeds_of(month)) or "–"}</td></tr>'
    )


def _two(first: str, second: str) -> str:
    return f'<span class="two"><span>{first}</span><span>{second}</span></span>'


def _unbroken(deeds: str) -> str:
    """Deeds of a month, whose lines break between them only."""
    return ", ".join(deed.replace(" ", "&nbsp;") for deed in deeds.split(", "))


def _auc(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _sentence(chapter: Chapter) -> str:
    """Why, as a sentence, with a minus where a hyphen stands for one."""
    text = chapter.text.replace(" -", " −").replace("[-", "[−").replace("(-", "(−")
    if not text:
        return ""
    because = "Because " if chapter.deed is Deed.RETRAINED else ""
    return f"{because}{text}" + ("" if text.endswith(".") else ".")
