"""How a run is asked to stop: by a tag, which its process hears with its next sign of life, and then as by Ctrl-C."""

from __future__ import annotations

import signal
import threading
from _thread import interrupt_main as signal_main

__all__ = ["STOPPED", "STOP_TAG", "interrupt_main"]

STOP_TAG = "clew.stop"
"""Its value says who asks."""

STOPPED = "stopped"
"""Empty file beside the journals: a process that takes part in a run has heard that it is to stop."""


def interrupt_main() -> None:
    """Raise KeyboardInterrupt in the main thread, also in a process that does not hear Ctrl-C.

    A script that another one starts with `&` is such a process: its shell lets it ignore SIGINT. There the exception
    comes with the next line of Python; a call that blocks is not cut short.
    """
    if signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, signal.SIG_DFL):
        signal_main()
        return
    import ctypes

    main = ctypes.c_ulong(threading.main_thread().ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(main, ctypes.py_object(KeyboardInterrupt))
