"""What a run prints, kept as text that a person would have liked to see.

A line that was redrawn (a progress bar) is kept as it was last drawn, and colours are taken out. Not the terminal:
everything goes there unchanged, and first.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TextIO

__all__ = ["Console", "Tidy", "tee"]

_MOST_BYTES = 8 << 20
_LONGEST_LINE = 20_000
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CURSOR_UP = re.compile(r"\x1b\[[0-9]*[AF]")


_live: weakref.WeakSet[Console] = weakref.WeakSet()


def _after_fork() -> None:
    for console in list(_live):
        console.start_over()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Tidy:
    """Turns a stream of terminal text into lines.

    Args:
        write: gets each finished line, with its end.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write, self._line = write, ""

    def feed(self, text: str) -> None:
        """Take the next piece; it may end within a line."""
        pieces = (self._line + _CURSOR_UP.sub("\r", text)).split("\n")
        self._line = pieces.pop()
        for piece in pieces:
            self._write(_shown(piece) + "\n")
        # A bar that redraws itself for hours is one line: keep what is on it now.
        if "\r" in self._line[1:]:
            self._line = "\r" + _shown(self._line)
        self._line = self._line[-_LONGEST_LINE:]

    def end(self) -> None:
        """The stream is over: an unfinished line is a line."""
        if _shown(self._line):
            self._write(_shown(self._line) + "\n")
        self._line = ""


def _shown(line: str) -> str:
    """What stands on a line after everything was drawn on it."""
    drawn = [part for part in _ESCAPES.sub("", line).split("\r") if part]
    return drawn[-1].rstrip(" ") if drawn else ""


class Console:
    """The console text of a run, in a file that survives a kill.

    Args:
        path: the file; made with its folder, and gone on with where a process that was killed has left it.
        before: what the run has printed already, where there is no such file.
    """

    def __init__(self, path: Path, *, before: bytes = b"") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: BinaryIO = path.open("ab", buffering=0)
        if before and not self._file.tell():
            self._file.write(before)
        self._size_bytes = self._file.tell()
        self.start_over()
        _live.add(self)

    def start_over(self) -> None:
        """Forget unfinished lines, and who holds the lock: in a forked child that thread is not there."""
        self._lock = threading.RLock()
        self._tidy = {name: Tidy(self._write) for name in ("stdout", "stderr")}

    def feed(self, stream: str, text: str) -> None:
        """Take what was written to `stdout` or `stderr`. Never raises: a full disk is not the script's problem."""
        with self._lock:
            if not self._file.closed:
                self._tidy[stream].feed(text)

    def close(self) -> None:
        """End unfinished lines, and the file."""
        with self._lock:
            if self._file.closed:
                return
            for tidy in self._tidy.values():
                tidy.end()
            self._file.close()

    def _write(self, line: str) -> None:
        if self._size_bytes > _MOST_BYTES:
            return
        data = line.encode(errors="replace")
        self._size_bytes += len(data)
        if self._size_bytes > _MOST_BYTES:
            data = f"… the rest is left out: more than {_MOST_BYTES >> 20} MiB\n".encode()
        try:
            self._file.write(data)
        except OSError:
            self._size_bytes = _MOST_BYTES + 1


class _Teed:
    """A text stream that also feeds a console; everything else is the stream's own."""

    def __init__(self, stream: TextIO, name: str, console: Console) -> None:
        self._stream, self._name, self._console = stream, name, console

    def write(self, text: str) -> int:
        written = self._stream.write(text)
        self._console.feed(self._name, text)
        return written

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def tee(console: Console) -> Callable[[], None]:
    """Copy what Python prints into the console, until the function that is returned is called.

    Only one console is fed at a time: within a run that is teed already nothing happens.
    """
    if any(isinstance(stream, _Teed) for stream in (sys.stdout, sys.stderr)) or sys.stdout is None:
        return lambda: None
    before = {"stdout": sys.stdout, "stderr": sys.stderr}
    teed = {name: _Teed(stream, name, console) for name, stream in before.items()}
    for name, stream in teed.items():
        setattr(sys, name, stream)

    def stop() -> None:
        for name, stream in teed.items():
            # Somebody may have put a stream of their own on top: then ours stays below, and feeds a closed console.
            if getattr(sys, name) is stream:
                setattr(sys, name, before[name])

    return stop
