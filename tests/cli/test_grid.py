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
    draw(["name", "why"], ROWS, [False, False], title="gate [x]", below=1)
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
    draw(["name", "why"], ROWS[:1], [False, False], below=1)
    assert lines(capsys) == ["name  why", "one   short"]


def test_columns_that_can_be_spared_go_before_a_word_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    row = ["n" * 30, "a" * 30, "b" * 30, "c" * 5]
    draw(["name", "a", "b", "c"], [row], [False] * 4, spares=[0, 1, 2, 1], advice="--json has all")
    assert lines(capsys) == [
        f"{'name':<30}  {'a':<30}  c",
        f"{row[0]}  {row[1]}  ccccc",
        "no room for b: --json has all",
    ]


def test_what_cannot_be_spared_stays_whole_with_its_last_text_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    rows = [["n" * 90, "a", "why"], ["m", "a", "–"]]
    draw(["name", "a", "why"], rows, [False] * 3, below=1, spares=[0, 1, 0])
    assert lines(capsys) == ["name", "n" * 90, "    why", "m", "no room for a"]


def test_in_a_pipe_every_row_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    draw(["name", "why"], ROWS, [False, False], below=1)
    assert lines(capsys) == ["name  why", "one   short", f"two   {LONG}"]
