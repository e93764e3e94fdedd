"""The door for errors: one table from the classes of `clew.core.errors` to exit codes, and the text that people see.

Everything that goes wrong below a command ends here. Errors of the user and defects of clew never mix: the first are
one or two lines, the second say so and keep the traceback in a file (on stderr with CLEW_DEBUG=1). Only where the
user's own code raised (`Failed`) do they see a traceback, with the lines of clew left out of it.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from clew.core import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["DEFECT", "EXIT_CODES", "INTERRUPTED", "exit_code_of", "guarded"]

EXIT_CODES: dict[type[errors.ClewError], int] = {
    errors.GateRefused: 1,  # the answer to a question is no, as it is for every command that checks something
    errors.Invalid: 2,  # also what click says about options and arguments
    errors.Unreadable: 2,
    errors.NotFound: 3,
    errors.Exists: 4,
    errors.Conflict: 4,
    errors.Denied: 5,
    errors.Corrupt: 6,
    errors.Unavailable: 7,
    errors.MissingExtra: 8,
    errors.Failed: 9,
    errors.ClewError: 10,
}
"""0 is success; the nearest class above an error counts."""

DEFECT = 70
"""Exit code of a defect of clew itself (EX_SOFTWARE)."""

INTERRUPTED = 130
"""Exit code after Ctrl-C (128 + SIGINT)."""

_OF_THE_MACHINE = {
    "EACCES",
    "EPERM",
    "EROFS",
    "ENOSPC",
    "EDQUOT",
    "EFBIG",
    "EIO",
    "ENAMETOOLONG",
    "ELOOP",
    "ENOTDIR",
    "EMFILE",
    "ENFILE",
    "ESTALE",
}
"""What an operating system refuses for reasons of its own or because of a path that was given: no defect of clew."""

_MOST_SHOWN = 200
_MOST_TOLD = 4000

_PIPE_CLOSED = 141
"""Exit code when the reader of stdout went away (128 + SIGPIPE)."""


def exit_code_of(error: errors.ClewError) -> int:
    """The exit code of an error: that of the nearest class above it in the table."""
    return next(EXIT_CODES[cls] for cls in type(error).__mro__ if cls in EXIT_CODES)


def guarded(call: Callable[[], int], words: Sequence[str]) -> int:
    """Run a command, and turn whatever it raises into text on stderr and an exit code.

    Args:
        call: runs the command and returns its exit code.
        words: the command line after `clew`, for the text and to see whether it asks for JSON.
    """
    _open_streams()
    _make_streams_safe()
    as_json = "--json" in words[: words.index("--") if "--" in words else None]
    with _noted_interrupts() as came:
        return _run(call, words, came, as_json=as_json)


def _run(call: Callable[[], int], words: Sequence[str], came: list[int], *, as_json: bool) -> int:
    try:
        code = call()
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        return _tell_usage(error, as_json=as_json)
    except errors.ClewError as error:
        if isinstance(error, errors.Failed) and error.__cause__ is not None and not as_json:
            from clew.core.trace import trace_of_user

            _write(trace_of_user(error.__cause__))
        _tell(error.code, error.what, error.hint, as_json=as_json)
        return exit_code_of(error)
    except (KeyboardInterrupt, click.Abort):
        return _tell_interrupted(as_json=as_json)
    except BrokenPipeError:
        _close_stdout()
        return _PIPE_CLOSED
    except (OSError, UnicodeEncodeError) as error:
        refused = _refused(error) if isinstance(error, OSError) else _not_text(error)
        if refused is None:
            return _tell_defect(error, words, as_json=as_json)
        _tell(refused.code, refused.what, refused.hint, as_json=as_json)
        return exit_code_of(refused)
    except Exception as error:  # noqa: BLE001 (this is the door)
        if came:  # in the middle of an import, for example, it comes out as another error
            return _tell_interrupted(as_json=as_json)
        return _tell_defect(error, words, as_json=as_json)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what a library in Rust raises for a defect of its own
            raise
        return _tell_defect(error, words, as_json=as_json)
    return code


def _tell_interrupted(*, as_json: bool) -> int:
    _tell("interrupted", "stopped", "the same command continues where it was", as_json=as_json)
    return INTERRUPTED


@contextmanager
def _noted_interrupts() -> Iterator[list[int]]:
    """A list that is no longer empty once Ctrl-C has come. A command may still take the signal for itself."""
    came: list[int] = []

    def interrupt(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield came
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _open_streams() -> None:
    """Give a process that was started without stdin, stdout or stderr (`>&-`) something in their places.

    Otherwise the next file that is opened, the ledger for one, has the number of stdout, and a library that prints
    writes into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - until the end


def _tell_usage(error: click.ClickException, *, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    hint = f"{context.command_path} --help" if context else "clew --help"
    _tell("invalid", error.format_message(), hint, as_json=as_json)
    return 2


def _refused(error: OSError) -> errors.Unavailable | None:
    """What a person can do about an error of the operating system; None where the fault is clew's."""
    if isinstance(error, FileNotFoundError) and error.filename is None and not _is_here():
        return errors.Unavailable("the current folder does not exist any more", hint="cd to another folder")
    if errno.errorcode.get(error.errno or 0) not in _OF_THE_MACHINE:
        return None
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
    hint = "free some space and run the same command again" if full else "look at the path and its permissions"
    return errors.Unavailable(f"{where}{error.strerror or error}", hint=hint)


def _not_text(error: UnicodeEncodeError) -> errors.Invalid | None:
    """Words of the command line, and names of files, may be bytes that are no text; nothing keeps such a name."""
    if error.reason != "surrogates not allowed":
        return None
    said = error.object if len(error.object) <= _MOST_SHOWN else f"{error.object[:_MOST_SHOWN]}…"
    return errors.Invalid(f"{said!r} is not UTF-8", hint="give it a name that is")


def _is_here() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - Path.cwd() is what has failed
    except OSError:
        return False
    return True


def _tell_defect(error: BaseException, words: Sequence[str], *, as_json: bool) -> int:
    import traceback

    trace = "".join(traceback.format_exception(error))
    what = f"this is a defect of clew, not yours: {type(error).__name__}: {error}"
    if os.environ.get("CLEW_DEBUG") == "1":
        _write(trace)
        _tell("defect", what, "please report it with the lines above", as_json=as_json)
        return DEFECT
    path = _keep(trace, words)
    hint = f"please report it with {path}" if path else "CLEW_DEBUG=1 shows where it happened"
    _tell("defect", what, hint, as_json=as_json)
    return DEFECT


def _keep(trace: str, words: Sequence[str]) -> str:
    """Write what a report needs to a file that only this user can read; its path, or "" when there is no room."""
    import platform
    import tempfile

    from clew import __version__

    try:
        number, path = tempfile.mkstemp(prefix="clew-defect-", suffix=".txt")
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"clew {__version__}, Python {platform.python_version()}, {platform.platform()}\n")
            file.write(f"command: {list(words)!r}\n\n{trace}")
    except OSError:
        return ""
    return path


def _tell(code: str, message: str, hint: str, *, as_json: bool) -> None:
    message, hint = _short(message), _short(hint)
    if as_json:
        import json

        _write(json.dumps({"error": {"code": code, "message": message, "hint": hint}}) + "\n")
    else:
        from clew.cli.visible import visible

        _write(visible(f"clew: {message}\n" + (f"  → {hint}\n" if hint else "")))


def _short(text: str) -> str:
    """What was given may be a file's worth of text; both ends of it tell enough."""
    half = _MOST_TOLD // 2
    return text if len(text) <= _MOST_TOLD else f"{text[:half]} […] {text[-half:]}"


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        return  # nobody reads stderr any more; the exit code still tells


def _make_streams_safe() -> None:
    """Let no character stop a command: UTF-8 where the locale knows only ASCII, a replacement where it lacks one."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        bare = (stream.encoding or "ascii").lower().replace("-", "") in {"ascii", "usascii", "ansi_x3.41968"}
        reconfigure(encoding="utf-8" if bare else None, errors="backslashreplace")


def _close_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not complain."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return  # stdout is no file (a test's buffer): there is nothing left to flush
