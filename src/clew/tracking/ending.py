"""How runs end: what an exception or a return code makes of it, and the word that is left where nobody can be told."""

from __future__ import annotations

import signal
import sys
import traceback
from pathlib import Path

import msgspec

from clew.core.errors import Failed
from clew.core.trace import trace_of_user
from clew.core.types.run import RunStatus

__all__ = ["Ending", "ending_of", "ending_of_process", "read_ending", "write_ending"]


def ending_of(error: BaseException | None) -> tuple[RunStatus, str]:
    """What an exception that ended a run makes of it."""
    if error is None or isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return RunStatus.FINISHED, ""
    if isinstance(error, getattr(sys.modules.get("asyncio"), "CancelledError", ())):  # what Ctrl-C makes of a task
        return RunStatus.INTERRUPTED, "its task was cancelled"
    if isinstance(error, KeyboardInterrupt):
        return RunStatus.INTERRUPTED, "KeyboardInterrupt"
    if isinstance(error, SystemExit):
        return RunStatus.FAILED, f"exit: {error.code}"
    if isinstance(error, Failed) and error.__cause__ is not None:
        return RunStatus.FAILED, f"{trace_of_user(error.__cause__)}\n{error.what}\n"
    return RunStatus.FAILED, "".join(traceback.format_exception(error))


def ending_of_process(code: int, tail: list[str]) -> tuple[RunStatus, str]:
    """What the return code of a process makes of its run, and the last lines of its stderr."""
    if code == 0:
        return RunStatus.FINISHED, ""
    if code in (-signal.SIGINT, 128 + signal.SIGINT):
        return RunStatus.INTERRUPTED, "interrupted by Ctrl-C"
    if code < 0:
        return RunStatus.KILLED, f"killed by {_signal_name(-code)}"
    return RunStatus.FAILED, "".join(_traceback(tail)) or f"exit code {code}"


def _signal_name(number: int) -> str:
    """The name of a signal; most of those for real time have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _traceback(tail: list[str]) -> list[str]:
    """The last traceback in what was written to stderr, or its last lines."""
    starts = [at for at, line in enumerate(tail) if line.startswith("Traceback (most recent call last)")]
    return tail[starts[-1] :] if starts else tail[-5:]


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended, kept beside its journal when the ledger was out of reach at that moment."""

    status: RunStatus
    ended_us: int
    reason: str = ""


def write_ending(folder: Path, journal: str, ending: Ending) -> None:
    """Leave word for who adopts the journal.

    Raises:
        OSError: it cannot be written.
    """
    fresh = folder / f"{journal}.end.new"
    try:
        fresh.write_bytes(msgspec.json.encode(ending))
        fresh.rename(folder / f"{journal}.end")
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def read_ending(folder: Path, journal: str) -> Ending | None:
    """The word that was left, if it can be read."""
    try:
        return msgspec.json.decode((folder / f"{journal}.end").read_bytes(), type=Ending)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
