"""Tables on a terminal."""

from __future__ import annotations

import sys

import pytest

from clew.cli.grid import GridColumn, draw

LONG = "a text that is so long that a narrow terminal has no room for it beside the rest, nor below it in one line"
NAME, WHY = GridColumn("name"), GridColumn("why", long=True)
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
    draw([NAME, WHY], ROWS, title="gate [x]")
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
    draw([NAME, WHY], ROWS[:1])
    assert lines(capsys) == ["name  why", "one   short"]


def test_columns_that_can_be_spared_go_before_a_word_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    row = ["n" * 30, "a" * 30, "b" * 30, "c" * 5]
    columns = [NAME, GridColumn("a", spare=1), GridColumn("b", spare=2), GridColumn("c", spare=1)]
    draw(columns, [row], advice="--json has all")
    assert lines(capsys) == [
        f"{'name':<30}  {'a':<30}  c",
        f"{row[0]}  {row[1]}  ccccc",
        "no room for b: --json has all",
    ]


def test_texts_are_cut_in_their_middle_before_a_column_goes_and_get_what_room_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    row = [f"{'a' * 30}{'z' * 30}", "2026-11-27 02:24:45", "0.7"]
    columns = [GridColumn("name", least=20), GridColumn("created"), GridColumn(f"val/{'m' * 40}", spare=1, least=10)]
    draw(columns, [row], narrow=[[*row[:1], "5 min ago", "0.7"]])
    assert lines(capsys) == [
        f"{'name':<57}  {'created':<9}  val/m…mmmm",
        f"{'a' * 28}…{'z' * 28}  5 min ago  0.7",
    ]


def test_what_was_left_out_is_told_in_lines_of_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    names = [f"metric-{at}-of-the-validation" for at in range(9)]
    draw([NAME, *(GridColumn(name, spare=1) for name in names)], [["n", *names]])
    told = lines(capsys)
    assert all(len(line) <= 80 for line in told)
    assert " ".join(told[2:]) == f"no room for {', '.join(names[2:])}"


def test_what_cannot_be_spared_stays_whole_with_its_last_text_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    rows = [["n" * 90, "a", "why"], ["m", "a", "–"]]
    draw([NAME, GridColumn("a", spare=1), WHY], rows)
    assert lines(capsys) == ["name", "n" * 90, "    why", "m", "no room for a"]


def test_a_text_of_any_length_stays_in_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "n" * 20_000
    draw([NAME, WHY], [["one", long]])
    assert lines(capsys) == ["name  why", f"one   {long}"]
    on_a_terminal(monkeypatch)
    draw([NAME, GridColumn("a", spare=1)], [[long, "a"]])
    assert lines(capsys) == ["name", long, "no room for a"]


def test_in_a_pipe_every_row_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    draw([NAME, WHY], ROWS)
    assert lines(capsys) == ["name  why", "one   short", f"two   {LONG}"]
