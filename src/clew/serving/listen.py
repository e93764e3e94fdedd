"""Listens until the process is told to stop, and ends without leaving a request without an answer.

What happens on a connection is in `clew.serving.http`.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from time import perf_counter

from clew.serving.http import Application, Connection, Door, Limits

__all__ = ["run"]

_SWEEP_S = 1.0
_LATE_S = 0.05


def run(application: Application, listener: socket.socket, *, limits: Limits | None = None) -> signal.Signals | None:
    """Answer until the process is told to stop by SIGINT or SIGTERM, and what has been received by then too.

    Args:
        application: what answers.
        listener: bound, listening and non-blocking; closed at the end.
        limits: what clients may take up.

    Returns:
        The signal; only the main thread can wait for one.

    Raises:
        MissingExtra: httptools is not installed.
    """
    return asyncio.run(_run(Door(application, limits or Limits()), listener))


async def _run(door: Door, listener: socket.socket) -> signal.Signals | None:
    loop = asyncio.get_running_loop()
    told: asyncio.Future[signal.Signals] = loop.create_future()

    def tell(number: signal.Signals) -> None:
        if not told.done():
            told.set_result(number)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, tell, number)
    server = await loop.create_server(lambda: Connection(door), sock=listener, backlog=512)
    sweeper = loop.create_task(_sweep(door))
    try:
        return await told
    finally:
        sweeper.cancel()
        server.close()
        await _finish(door)


async def _sweep(door: Door) -> None:
    while True:
        await asyncio.sleep(_SWEEP_S)
        door.tick()


async def _finish(door: Door) -> None:
    """Answer what is on its way, and close what waits."""
    door.stopping = True  # at once: whoever is answered from now on is told not to ask again
    await asyncio.sleep(_LATE_S)  # what has arrived and was not read yet
    until = perf_counter() + door.limits.linger_s
    while door.connections and perf_counter() < until:
        door.tick()
        await asyncio.sleep(0.02)
    for connection in list(door.connections):
        connection.abort()
