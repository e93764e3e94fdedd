"""Runs a script under a run: `clew run train.py`.

The script is a process of its own, so that it behaves as it would without clew (arguments, `__main__`, exit code,
traceback, multiprocessing) and so that its end is seen however it ends. What it prints passes through unchanged, on a
terminal through a pseudo-terminal, and is kept. Not the run itself (`run`); a `start` in the script joins it.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import msgspec

from clew.core.errors import Invalid, NotFound, Unavailable
from clew.core.types.run import Run, RunKind
from clew.tracking.adopt import CONSOLE
from clew.tracking.begin import begin, new_run, record_start
from clew.tracking.capture.console import Console, Tidy
from clew.tracking.ending import ending_of_process
from clew.tracking.line import open_line
from clew.tracking.recorder import Recorder
from clew.tracking.run import ActiveRun
from clew.tracking.start import RESUMED_VARIABLE, RUN_VARIABLE, say_on_stderr, start

__all__ = ["Launched", "launch"]

_TAIL_LINES = 60
_CHUNK_BYTES = 1 << 16
_LINGER_S = 2.0
_TICK_S = 0.05


class Launched(NamedTuple):
    """A run whose script has ended, the exit code to hand on, and whether all of the run is stored."""

    run: Run
    exit_code: int
    stored: bool


def launch(
    recorder: Recorder,
    words: Sequence[str],
    *,
    name: str = "",
    experiment: str = "",
    tags: Mapping[str, str] | None = None,
    resume: str = "",
    out: BinaryIO | None = None,
    say: Callable[[str], None] = say_on_stderr,
) -> Launched:
    """Run a script or module to its end, under a run that captures everything.

    Args:
        recorder: the project's.
        words: a Python file, or `-m` and a module, or another program; then its arguments.
        name: of the run.
        experiment: of the run.
        tags: of the run.
        resume: the run that goes on, by id, the beginning of it, or name.
        out: where the script's stdout goes; this process's stdout when None.
        say: told what a person should know.

    Raises:
        NotFound: there is no such script.
        Invalid: it cannot be executed.
    """
    command, entry = _command(words)
    # One hash seed for all runs: a drawn one could be repeated, but would be one more difference between any two.
    variables = {"PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1", **os.environ}
    if resume:
        active = start(recorder, resume=resume, tags=tags, say=say, tees=False)
    else:
        shown = entry.name if entry is not None else " ".join(words[:2])
        run = new_run(recorder, kind=RunKind.SCRIPT, name=name, tags=tags, entry=shown)
        line = open_line(recorder, run.id, say, main=True)
        record = partial(record_start, line, entry=entry, words=list(words), variables=variables)
        run = begin(line, run, record=record, experiment=experiment)
        console = Console(line.journal.folder / CONSOLE) if recorder.console else None
        active = ActiveRun(run, line=line, console=console, watches=recorder.system)
    with active:
        told = {RUN_VARIABLE: active.id, **({RESUMED_VARIABLE: "1"} if resume else {})}
        code, tail = _execute(command, {**variables, **told}, active, out or sys.stdout.buffer)
        status, reason = ending_of_process(code, tail)
        active.finish(status, reason=reason)
    run, stored = active.info, not active.is_left
    if recorder.outbox and stored:  # the script, another process, may have said there what it is called
        with contextlib.suppress(Unavailable):
            run = msgspec.structs.replace(run, name=recorder.runs.get(run.id).name)
    return Launched(run, code if code >= 0 else 128 - code, stored)


def _command(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """The command line of a script, and its file."""
    first = words[0]
    if first == "-m":
        return [sys.executable, *words], None
    path = Path(first)
    if not path.is_file():
        raise NotFound("script", first, hint="clew run SCRIPT [ARGUMENTS], or clew run -m MODULE")
    path = path.resolve()
    if path.suffix != ".py" and os.access(path, os.X_OK):
        return [str(path), *words[1:]], path
    return [sys.executable, *words], path


def _execute(
    command: list[str], variables: Mapping[str, str], active: ActiveRun, out: BinaryIO
) -> tuple[int, list[str]]:
    """Run a command to its end; its return code and the last lines of its stderr."""
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    tidy = Tidy(tail.append)

    def keep_error(text: str) -> None:
        active.feed_console("stderr", text)
        tidy.feed(text)

    out_read, out_write = _open_pipe(out.isatty())
    err_read, err_write = _open_pipe(sys.stderr.isatty())
    with _Signals() as signals:
        try:
            process = subprocess.Popen(command, stdout=out_write, stderr=err_write, env=dict(variables))  # noqa: S603
        except OSError as error:
            for end in (out_read, out_write, err_read, err_write):
                os.close(end)
            hint = "its first line names the program that reads it, such as #!/bin/sh"
            raise Invalid(f"{command[0]} cannot be executed: {error.strerror}", hint=hint) from error
        signals.hand_on_to(process)
        # A script that has joined the run hears by itself that it is to stop: twice would interrupt its tidying up.
        active.on_stop = lambda: None if active.hears else process.send_signal(signals.interrupt)
        os.close(out_write)
        os.close(err_write)
        pumps = [
            _Pump(out_read, out, lambda text: active.feed_console("stdout", text)),
            _Pump(err_read, sys.stderr.buffer, keep_error),
        ]
        for pump in pumps:
            pump.start()
        code = process.wait()
    with contextlib.suppress(KeyboardInterrupt):  # the script has ended: this only ends the waiting for our reader
        for pump in pumps:
            pump.wait(_LINGER_S)
    tidy.end()
    return code, list(tail)


def _open_pipe(terminal: bool) -> tuple[int, int]:
    """An end to read from and one to write to; a pseudo-terminal where the script should see one."""
    read, write = os.openpty() if terminal else os.pipe()
    if terminal:
        _make_plain(write)
    return read, write


def _make_plain(terminal: int) -> None:
    """Give a pseudo-terminal the size of ours, and let it change no line ends."""
    import fcntl
    import termios

    settings = termios.tcgetattr(terminal)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(terminal, termios.TCSANOW, settings)
    with contextlib.suppress(OSError):
        size = fcntl.ioctl(sys.stderr.fileno(), termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)


class _Pump(threading.Thread):
    """Carries one stream of the script to ours and to the console, until nobody writes to it any more."""

    def __init__(self, read: int, out: BinaryIO, feed: Callable[[str], object]) -> None:
        super().__init__(daemon=True)
        self._read, self._out, self._feed = read, out, feed
        self._shows, self._is_showing = True, False

    def run(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            try:
                data = os.read(self._read, _CHUNK_BYTES)
            except OSError:  # how a pseudo-terminal says that nobody writes any more
                data = b""
            if not data:
                os.close(self._read)
                return
            if self._shows:
                self._show(data)
            self._feed(decoder.decode(data))

    def wait(self, linger_s: float) -> None:
        """Wait for the end: `linger_s` for what the script left running, which may hold its streams for ever, and as
        long as it takes for a reader of ours that is slow."""
        while self.is_alive() and linger_s > 0:
            before_s = time.monotonic()
            self.join(min(_TICK_S, linger_s))
            if not self._is_showing:
                linger_s -= time.monotonic() - before_s

    def _show(self, data: bytes) -> None:
        self._is_showing = True
        try:
            self._out.write(data)
            self._out.flush()
        except (OSError, ValueError):
            self._shows = False  # nobody reads ours; the script goes on, and its text is kept
        finally:
            self._is_showing = False


class _Signals:
    """Leaves Ctrl-C to the script, which gets it too, and hands on a request to end, also one that comes before there
    is a script to hand it to. What this process ignores, as under `nohup`, the script does too."""

    def __init__(self) -> None:
        # A shell lets what it starts with `&` ignore Ctrl-C, and so does the script then.
        self.interrupt = signal.SIGTERM if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else signal.SIGINT
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._set(number, self._hand_on)
        return self

    def hand_on_to(self, process: subprocess.Popen[bytes]) -> None:
        """The script has been started."""
        self._process = process
        self._set(signal.SIGINT, signal.SIG_IGN)
        for number in self._waiting:
            process.send_signal(number)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _set(self, number: int, handler: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before[number] = signal.signal(number, handler)

    def _hand_on(self, number: int, _frame: object) -> None:
        if self._process is None:
            self._waiting.append(number)
        else:
            self._process.send_signal(number)
