"""Makes the application in each worker of a server, from the project folder that it was started in."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import threading
from pathlib import Path

from litestar import Litestar

from clew.server.app import make_app
from clew.server.hosting import FOLDER_VARIABLE, LOG_VARIABLE, OPEN_VARIABLE, host_of
from clew.workspace import open_workspace

__all__ = ["make"]

_COLLECTED_AFTER = 10_000
"""Objects. An answer is made of thousands that all go with it: looking for circles among them finds none."""


def make() -> Litestar:
    """The application of one worker."""
    threading.Thread(target=_end_with_parent, name="clew-parent", daemon=True).start()
    _log_requests(os.environ.get(LOG_VARIABLE) == "1")
    workspace = open_workspace(Path(os.environ[FOLDER_VARIABLE]))
    app = make_app(host_of(workspace, open=os.environ.get(OPEN_VARIABLE) == "1"))
    gc.freeze()  # what is loaded stays: no collection looks at it again
    gc.set_threshold(_COLLECTED_AFTER)
    gc.enable()
    return app


def _log_requests(wanted: bool) -> None:
    """Write defects and warnings to stderr, and a line for each request where that is wanted."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    if wanted:
        logging.getLogger("clew.access").setLevel(logging.INFO)


def _end_with_parent() -> None:
    """End with the process that started this one, whatever ended that one: `kill -9` too.

    A worker that outlived it would keep the port. At once, because every request may be sent again.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)
