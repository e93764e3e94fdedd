"""What a person sees while the year goes by, on a terminal and in a log."""

from __future__ import annotations

import io
import threading
import time

import pytest

from clew.demo.screen import drawn, lines_of
from clew.demo.standing import Standing


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def standing() -> Standing:
    found = Standing(phase="living through 2013", total=1_000, flights=250, fresh=5_000, at_us=1_362_096_000_000_000)
    found.champion, found.challenger, found.cost_loop, found.cost_static = 2, 3, 100.0, 160.0
    found.drifted, found.began_s = ["temp", "hour"], time.monotonic() - 10
    found.tell("2013-03-01  version 2 is promoted")
    return found


def test_everything_that_matters_is_shown() -> None:
    shown = standing()
    lines = dict(lines_of(shown, shown.began_s + 65))
    assert "25%" in lines["2013-03-01"]
    assert "1:05" in lines["2013-03-01"]
    assert lines["flights"].startswith("250 of 1,000, 5")
    assert lines["answers"] == "version 2, version 3 on trial"
    assert lines["cost so far"] == "loop 100, never retrained 160, saved +60"
    assert lines["drifted"] == "temp, hour"
    assert lines[""] == "2013-03-01  version 2 is promoted"


def test_before_the_first_request_there_is_only_what_goes_on() -> None:
    assert lines_of(Standing(phase="training version 1"), 0.0) == [("", "training version 1 …")]


def test_a_log_gets_a_line_for_each_phase_month_and_piece_of_news(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    class Late(threading.Thread):
        """Begins when everything has happened."""

        def run(self) -> None:
            go.wait(60)
            super().run()

    monkeypatch.setattr(threading, "Thread", Late)
    out, shown = io.StringIO(), Standing(phase="opening the project")
    with drawn(shown, out):
        fresh = standing()
        shown.phase, shown.total, shown.flights, shown.at_us = fresh.phase, 1_000, 250, fresh.at_us
        shown.tell("2013-03-01  version 2 is promoted")
        go.set()
    lines = out.getvalue().splitlines()
    assert lines[-3:-1] == ["living through 2013", "2013-03-01  version 2 is promoted"]
    assert lines[-1].startswith("2013-03: 250 of 1,000 flights")


def test_a_terminal_is_redrawn() -> None:
    out = Terminal()
    with drawn(standing(), out):
        pass
    assert "version 2 is promoted" in out.getvalue()


def test_a_reader_that_went_away_stops_nothing() -> None:
    class Gone(io.StringIO):
        def isatty(self) -> bool:
            return False

        def write(self, text: str) -> int:
            raise BrokenPipeError

    with drawn(standing(), Gone()):
        pass
