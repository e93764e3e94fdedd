"""Progress: what the line says, and that it never stops the work."""

from __future__ import annotations

import io
import re

import pytest

from clew.cli import progress as module
from clew.cli.progress import Progress, line_of, progress


def state(done: int, total: int | None = None, unit: str = "") -> Progress:
    made = Progress("adding", total, unit)
    made.advance(done)
    return made


def test_with_a_total_the_line_has_a_bar_a_share_and_the_time_left() -> None:
    assert (
        line_of(state(250, 1000, "rows"), 10)
        == "adding  #####...............   25%  250 of 1,000 rows  0:10  0:30 left"
    )


def test_without_a_total_it_has_the_count() -> None:
    assert line_of(state(0), 3) == "adding  0:03"
    assert line_of(state(2_000_000, None, "bytes"), 3661) == "adding  2.0 MB  1:01:01"


def test_more_than_the_total_is_all_of_it() -> None:
    assert "100%" in line_of(state(12, 10), 1)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_S", 60.0)
    out = Terminal()
    with progress("adding", stream=out) as shown:
        shown.advance()
    assert out.getvalue() == ""


def wait_for(out: io.StringIO, text: str) -> None:
    import time

    until = time.monotonic() + 60
    while text not in out.getvalue() and time.monotonic() < until:
        time.sleep(0.001)


def test_a_terminal_gets_one_line_that_is_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_S", 0.0)
    monkeypatch.setattr(module, "_REDRAW_S", 0.001)
    out = Terminal()
    with progress("adding", 10, stream=out) as shown:
        shown.move_to(5)
        wait_for(out, "50%")
    assert "\n" not in out.getvalue()
    assert "━" in out.getvalue()
    assert out.getvalue().endswith("\r\x1b[K")


def test_a_log_gets_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOG_S", 0.001)
    out = io.StringIO()
    with progress("adding", stream=out):
        wait_for(out, "\n")
    assert all(re.fullmatch(r"adding  \d+:\d\d", line) for line in out.getvalue().splitlines())
    assert out.getvalue().endswith("\n")


def test_a_stream_that_is_gone_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOG_S", 0.0)
    out = io.StringIO()
    out.close()
    monkeypatch.setattr(out, "isatty", lambda: False, raising=False)
    with progress("adding", stream=out) as shown:
        shown.advance(3)
    assert shown.done == 3


def test_an_error_of_the_work_passes_through() -> None:
    with pytest.raises(KeyError), progress("adding", stream=Terminal()):
        raise KeyError("x")
