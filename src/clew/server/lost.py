"""Looks, while a server runs, for runs of its projects whose processes are gone."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from litestar import Litestar

from clew.core.errors import ClewError
from clew.server.host import Host
from clew.tracking.lost import Lost

__all__ = ["look_for_lost", "watching_for_lost"]

_EVERY_S = 15.0
_ACTOR = "server"
_log = logging.getLogger("clew.server")


def look_for_lost(host: Host, watched: dict[str, Lost]) -> list[str]:
    """End the runs of every project that have been silent for too long, and return them.

    Args:
        host: the projects.
        watched: what was seen of each project before; grows.
    """
    with host.ledger.read() as tx:
        projects = tx.projects.list()
    found = []
    for project in projects:
        lost = watched.setdefault(project.id, Lost())
        with _told(f"runs of {project.name}"):
            found += lost.look(host.stores(project, actor=_ACTOR))
    return found


@asynccontextmanager
async def watching_for_lost(app: Litestar) -> AsyncIterator[None]:
    """Look every so often, beside the loop, while the application runs."""
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(app, over), name="clew-lost", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


def _watch(app: Litestar, over: threading.Event) -> None:
    watched: dict[str, Lost] = {}
    while not over.wait(_EVERY_S):
        with _told("runs"):
            if app.state.host is not None:
                look_for_lost(app.state.host, watched)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Log what goes wrong: it must not keep the loop from the other projects, and the next look finds the same."""
    try:
        yield
    except ClewError as error:  # a ledger that is busy or gone
        _log.warning("%s that are lost were not looked for: %s", what, error.what)
    except Exception:  # noqa: BLE001 - a loop of the server: one defect must not end it
        _log.exception("%s that are lost were not looked for", what)
