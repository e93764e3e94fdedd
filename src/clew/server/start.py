"""Starts a server: the first admin, the rule about loopback, and granian around the application."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from clew.core.errors import Denied
from clew.core.extras import require, require_installed
from clew.core.loopback import is_loopback
from clew.server.host import Host

__all__ = ["ADMIN", "first_admin", "run_server"]

ADMIN = "admin"
_PATIENCE_S = 10
_LOOK_S = 0.02


def first_admin(host: Host) -> str:
    """The secret of a first admin's token where the ledger has no users yet, and "" where it has some."""
    accounts = host.accounts(actor=ADMIN)
    if accounts.users():
        return ""
    accounts.add_user(ADMIN, admin=True)
    return accounts.add_token(ADMIN, "first start").secret


def run_server(target: str, *, address: str, port: int, workers: int, open: bool, ready: Callable[[], None]) -> None:
    """Serve until the process is told to stop.

    Args:
        target: `module:function` of a factory that makes the application in each worker.
        address: to listen on.
        port: to listen on.
        workers: processes.
        open: whether callers need not say who they are.
        ready: called once it listens, in a thread.

    Raises:
        Denied: it would answer anybody beyond this machine.
    """
    if open and not is_loopback(address):
        raise Denied(
            f"{address} can be reached from other machines, and --open asks nobody who they are",
            hint="leave --open out, or listen on 127.0.0.1",
        )
    require("granian")
    require_installed("litestar")
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    server = Granian(
        target,
        address=address,
        port=port,
        workers=workers,
        interface=Interfaces.ASGI,
        factory=True,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        websockets=False,
        workers_kill_timeout=_PATIENCE_S,
        working_dir=Path.cwd(),
    )
    watch = threading.Thread(target=_call_when_listening, args=(address, port, ready), daemon=True)
    server.on_startup(watch.start)  # granian calls it once the port is taken, before anything listens to it
    gc.disable()  # what a start makes stays; the factory lets it go on
    try:
        server.serve()
    finally:
        gc.enable()


def _call_when_listening(address: str, port: int, ready: Callable[[], None]) -> None:
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - what is asked, not what listens
    while True:
        time.sleep(_LOOK_S)
        with suppress(OSError):
            socket.create_connection((here, port), timeout=1).close()
            break
    ready()
