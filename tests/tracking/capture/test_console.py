"""Console text is what a person saw in the end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.tracking.capture.console import Console, Tidy, tee


def tidy(*pieces: str) -> list[str]:
    lines: list[str] = []
    tidy = Tidy(lines.append)
    for piece in pieces:
        tidy.feed(piece)
    tidy.end()
    return lines


def test_plain_lines_stay() -> None:
    assert tidy("one\ntw", "o\n\nthree") == ["one\n", "two\n", "\n", "three\n"]
    assert tidy("windows\r\n") == ["windows\n"]


def test_a_progress_bar_is_its_last_state() -> None:
    frames = [f"\r{i:3d}%|{'#' * (i // 10):10}|" for i in range(101)]
    assert tidy("start\n", *frames, "\nend\n") == ["start\n", "100%|##########|\n", "end\n"]
    assert tidy("a\rb\r") == ["b\n"]


def test_a_bar_of_hours_takes_no_memory() -> None:
    lines: list[str] = []
    tidy = Tidy(lines.append)
    for i in range(10_000):
        tidy.feed(f"\rstep {i}" + "x" * 100)
    assert len(tidy._line) < 1000
    tidy.feed("\n")
    assert lines == [f"step 9999{'x' * 100}\n"]


def test_colours_and_titles_are_taken_out() -> None:
    assert tidy("\x1b[31mred\x1b[0m \x1b]0;title\x07plain\n") == ["red plain\n"]


@given(st.text(alphabet=st.characters(blacklist_characters="\r\x1b", blacklist_categories=["Cs"])), st.integers(0, 50))
def test_text_without_redrawing_is_kept_wherever_it_is_cut(text: str, at: int) -> None:
    expected = [line.rstrip(" ") for line in text.split("\n")]
    found = "".join(tidy(text[:at], text[at:])).split("\n")
    assert found[: len(expected) - 1] == expected[:-1]


def test_tee_shows_and_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(tmp_path / "deep/console.txt")
    stop = tee(console)
    try:
        print("out")
        print("err", file=sys.stderr)
        sys.stdout.writelines(["a", "b\n"])
        assert sys.stdout.encoding
        second = Console(tmp_path / "second.txt")
        tee(second)()
        second.close()
        print("still kept")
    finally:
        stop()
    print("not kept")
    console.close()
    assert console.path.read_text() == "out\nerr\nab\nstill kept\n"
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("out\nab\nstill kept\nnot kept\n", "err\n")


def test_a_stream_that_somebody_else_put_on_top_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def __init__(self, below: object) -> None:
            self.below = below

        def write(self, text: str) -> int:
            return self.below.write(text)  # type: ignore[attr-defined]

    monkeypatch.setattr(sys, "stdout", sys.stdout)
    console = Console(tmp_path / "console.txt")
    stop = tee(console)
    sys.stdout = other = Other(sys.stdout)  # type: ignore[assignment]
    stop()
    console.close()
    assert sys.stdout is other
    sys.stdout.write("goes on\n")
    assert console.path.read_text() == ""


def test_the_text_is_bounded_and_a_full_disk_is_not_the_scripts_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.tracking.capture.console._MOST_BYTES", 20)
    console = Console(tmp_path / "console.txt")
    for _ in range(10):
        console.feed("stdout", "12345678\n")
    console.close()
    console.feed("stdout", "late\n")
    text = console.path.read_text()
    assert text.startswith("12345678\n12345678\n… the rest")
    assert len(text) < 100
    full = Console(tmp_path / "full.txt")
    full._file.close()
    full._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115
    full.feed("stdout", "x\n")
    full.close()


def test_a_forked_child_prints_while_a_thread_of_its_parent_does(tmp_path: Path) -> None:
    console = Console(tmp_path / "console.txt")
    holds, ends = threading.Event(), threading.Event()

    def print_for_long() -> None:
        with console._lock:
            holds.set()
            ends.wait()

    printing = threading.Thread(target=print_for_long)
    printing.start()
    holds.wait()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # that is the danger it warns of
        child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(60)  # who waits for a thread that is not there waits for ever
            console.feed("stdout", "from the child\n")
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    ends.set()
    printing.join()
    console.close()
    assert (status, console.path.read_text()) == (0, "from the child\n")
