"""Tracebacks of the user's code, without what called it."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

__all__ = ["trace_of_user"]

_OURS = (f"{Path(__file__).parents[1]}{os.sep}", "<frozen importlib")


def trace_of_user(error: BaseException) -> str:
    """The traceback of what the user's code raised, without the frames of clew and of the import system."""
    whole = traceback.TracebackException.from_exception(error)
    kept = [frame for frame in whole.stack if not frame.filename.startswith(_OURS)]
    whole.stack = traceback.StackSummary.from_list(kept)
    return "".join(whole.format(chain=False))
