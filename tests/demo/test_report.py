"""The report: one file that needs nothing, says what the numbers say, and can be read by everybody."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html.parser import HTMLParser
from importlib.resources import files

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.demo.chapters import Chapter, Deed
from clew.demo.drifts import Cell
from clew.demo.report import page
from clew.demo.report.panel import Line, panel
from clew.demo.report.scale import WIDTH, Days, Numbers, ticks
from clew.demo.report.strip import answering, on_trial
from clew.demo.report.words import compact, money, percent, signed
from clew.demo.result import Curves, DayCost, Month, Result, TimeBin, WeekSkill

DAY_US = 86_400_000_000
FIRST = date(2013, 2, 1)
LIVE_US = 1_359_676_800_000_000
EVIL = "<script>alert('x')</script> & 'more' drifted"

MONTH = Month(
    month=2,
    name="February",
    days=28,
    flights=24_951,
    late_share=0.28,
    auc_loop=0.71,
    auc_static=None,
    cost_loop=180_000.0,
    cost_static=187_760.0,
    saved=7_760.0,
    alerts=3,
    drifted=["temp"],
    versions=[1, 2],
    retrainings=2,
    promotions=1,
    rejections=0,
)
CHAPTERS = [
    Chapter(at_us=LIVE_US, deed=Deed.LIVE, version=1),
    Chapter(at_us=LIVE_US + 5 * DAY_US, deed=Deed.RETRAINED, version=2, text=EVIL),
    Chapter(at_us=LIVE_US + 9 * DAY_US, deed=Deed.PROMOTED, version=2, text="cost per decision -0.4 [-0.8, -0.1]"),
    Chapter(at_us=LIVE_US + 12 * DAY_US, deed=Deed.RETRAINED, version=3, text="hour drifted"),
    Chapter(at_us=LIVE_US + 13 * DAY_US, deed=Deed.FAILED, text="no room"),
]
RESULT = Result(
    complete=True,
    flights_served=24_951,
    predictions_logged=24_951,
    labels_joined=24_951,
    requests=1_895,
    single_share=0.57,
    largest_request=63,
    request_p50_ms=0.62,
    request_p99_ms=4.1,
    endpoint_p50_ms=0.2,
    endpoint_p99_ms=1.1,
    retrainings=2,
    promotions=1,
    rejections=0,
    cost_loop=180_000.0,
    cost_static=187_760.0,
    saved=7_760.0,
    saved_interval=[1_200.0, 14_000.0],
    saved_share=0.041,
    cost_never=350_000.0,
    cost_always=190_000.0,
    days=20,
    scored_later=0,
    events=17,
    months=[MONTH],
    chapters=CHAPTERS,
)
CURVES = Curves(
    days=[
        DayCost(date=str(FIRST + timedelta(days=at)), flights=900, cost_loop=500.0, cost_static=500.0 + 40 * at)
        for at in range(20)
    ],
    weeks=[
        WeekSkill(date=f"2013-02-{day:02}", flights=6_000, late_share=0.3, auc_loop=0.7, auc_static=0.6)
        for day in (4, 11)
    ],
    cells=[
        Cell(column=name, week="2013-02-04", effect=0.3, alerts=len(name) % 3, drifted_days=7 * (len(name) % 2))
        for name in ("temp", "a<b", "hour")
    ],
    times=[TimeBin(low_ms=0.5, high_ms=1.0, requests=9), TimeBin(low_ms=1.0, high_ms=8.0, requests=2)],
)


class Reader(HTMLParser):
    """Checks that tags are closed in order, and keeps what is said and what is fetched."""

    EMPTY = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "srcset", "action", "data")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_is_one_file_that_fetches_nothing() -> None:
    html = page(RESULT, CURVES)
    assert read(html).fetched == []
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttp", html)


def test_the_page_says_what_the_numbers_say() -> None:
    words = " ".join(read(page(RESULT, CURVES)).words)
    for said in ("7,760", "+1,200 and +14,000", "187,760", "24,951", "0.62 ms", "4.1 ms", "February", "5.3 %"):
        assert said in words
    assert "no accident" in words


@pytest.mark.parametrize(
    ("interval", "said"), [([-10.0, 20.0], "cannot be told from nothing"), ([-20.0, -10.0], "did harm")]
)
def test_the_page_does_not_boast(interval: list[float], said: str) -> None:
    saved = sum(interval) / 2
    html = page(msgspec.structs.replace(RESULT, saved=saved, saved_interval=interval), CURVES)
    assert said in html
    assert ("lost" in read(html).headings[0]) == (saved < 0)


def test_an_unfinished_year_is_called_so() -> None:
    html = page(msgspec.structs.replace(RESULT, complete=False, labels_joined=20_000), CURVES)
    assert "up to February" in html
    assert "20,000 labelled so far" in html
    assert ">So far<" in html


def test_what_others_wrote_cannot_act() -> None:
    html = page(RESULT, CURVES)
    assert EVIL not in html
    assert html.count("<script>") == 1
    assert "&lt;script&gt;" in html
    assert "a&lt;b" in html


def test_a_year_without_a_promotion_and_without_requests_can_be_shown() -> None:
    bare = msgspec.structs.replace(RESULT, chapters=CHAPTERS[:1], cost_never=0.0, cost_always=0.0)
    read(page(bare, msgspec.structs.replace(CURVES, cells=[], times=[], weeks=CURVES.weeks[:1])))


def test_bars_say_who_answered_and_who_was_on_trial() -> None:
    days = Days(FIRST, FIRST + timedelta(days=20))
    turns = [(bar.word, (bar.first - FIRST).days, (bar.end - FIRST).days) for bar in answering(CHAPTERS, days)]
    assert turns == [("v1", 0, 9), ("v2", 9, 20)]
    trials = [(bar.word, bar.style, (bar.end - bar.first).days) for bar in on_trial(CHAPTERS, days)]
    assert trials == [("v2 ✓", "trial promoted", 4), ("v3", "trial undecided", 8)]


@given(st.floats(-1e7, 1e7), st.floats(1e-3, 1e7))
def test_ticks_are_few_and_enclose_what_is_shown(low: float, span: float) -> None:
    marks = ticks(low, low + span)
    assert 2 <= len(marks) <= 8
    assert marks[0] <= low + 1e-6 * span
    assert marks[-1] >= low + span - 1e-6 * span - 1e-9 * abs(low)
    assert marks == sorted(set(marks))


def test_a_line_runs_from_the_first_day_to_the_last_and_breaks_where_nothing_is_known() -> None:
    days = Days(FIRST, FIRST + timedelta(days=10))
    points = [(FIRST, 0.0), (FIRST + timedelta(days=5), None), (FIRST + timedelta(days=10), 100.0)]
    html = panel(days, [Line("saved", "loop", points)], height=200, title="t", describe="d")
    assert re.search(r'class="line loop" d="M0.0 200.0M1000.0 0.0"', html)
    assert Numbers(0.0, 100.0, 200).y(50.0) == 100.0
    assert days.x(days.end) == WIDTH
    assert [month.month for month in Days(date(2013, 11, 5), date(2014, 2, 2)).months] == [12, 1, 2]


def test_numbers_as_people_read_them() -> None:
    assert (money(-1234.4), signed(1234.0), signed(-0.2)) == ("−1,234", "+1,234", "0")
    assert [compact(value) for value in (0.0, 500_000.0, 2_500_000.0, -50_000.0)] == ["0", "500 k", "2.5 M", "−50 k"]
    assert percent(0.0576, 1) == "5.8 %"


def colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})\b", css))


def contrast(one: str, other: str) -> float:
    """Of WCAG 2: 4.5 for words, 3 for lines and marks."""

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_told_apart(scheme: str) -> None:
    css = (files("clew.demo.report") / "style.css").read_text()
    light, dark = css.split("@media (prefers-color-scheme: dark)")
    found = colours(light) | (colours(dark.split("@media")[0]) if scheme == "dark" else {})
    for name in ("ink", "soft", "good", "bad"):
        assert contrast(found[name], found["paper"]) >= 4.5, name
    for name in ("loop", "static", "heat"):
        assert contrast(found[name], found["paper"]) >= 3, name
    for name in ("shade0", "shade1", "wait"):
        assert contrast(found[name], "#ffffff") >= 3, name
    assert len(re.findall(r"#[0-9a-f]{3,8}", css)) > 20
