"""`clew server` as a process of its own, as people run one; for tests and measurements."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["serving"]


@contextmanager
def serving(folder: Path, *, open: bool = False, environ: Mapping[str, str] | None = None) -> Iterator[tuple[str, str]]:
    """A server of the project in a folder.

    Args:
        folder: of the project.
        open: whether it asks nobody for a token.
        environ: of the process, besides this one's.

    Yields:
        Its address, and the token of its admin, which it shows at its first start only.
    """
    words = [
        sys.executable,
        "-m",
        "clew",
        "server",
        "--port",
        str(_free_port()),
        "--json",
        *(["--open"] if open else []),
    ]
    process = subprocess.Popen(  # noqa: S603 - clew itself
        words,
        cwd=folder,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        _wait(told["url"])
        yield str(told["url"]), str(told["token"])
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def _wait(url: str) -> None:
    """Until it answers: it says that it listens before its processes do."""
    until = time.monotonic() + 60
    while True:
        try:
            door = http.client.HTTPConnection(url.partition("://")[2], timeout=5)
            door.request("GET", "/health")
            door.getresponse().read()
            door.close()
        except (OSError, http.client.HTTPException):
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
