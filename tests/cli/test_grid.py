"""Tables on a terminal."""

from __future__ import annotations

import sys

import pytest

from clew.cli.grid import draw

LONG = "a text that is so long that a narrow terminal has no room for it beside the rest, nor below it in one line"
ROWS = [["one", "short"], ["two", LONG]]


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")  # 80 columns, and no escape codes


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_long_last_column_stands_below_its_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    draw(["name", "why"], ROWS, [False, False], title="gate [x]", last_below=True)
    assert lines(capsys) == [
        "gate [x]",
        "name",
        "one",
        "    short",
        "two",
        "    a text that is so long that a narrow terminal has no room for it beside the",
        "    rest, nor below it in one line",
    ]


def test_where_there_is_room_it_stands_beside_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    draw(["name", "why"], ROWS[:1], [False, False], last_below=True)
    assert lines(capsys) == ["name  why", "one   short"]


def test_in_a_pipe_every_row_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    draw(["name", "why"], ROWS, [False, False], last_below=True)
    assert lines(capsys) == ["name  why", "one   short", f"two   {LONG}"]
