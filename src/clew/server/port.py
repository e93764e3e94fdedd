"""Takes the port of a server for one alone. Not what listens on it: granian, which would share it with anybody.

Its processes bind the port with SO_REUSEPORT, and the kernel lets every other process of the same user do so too:
connections would go now to one server and now to the other.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from clew.core.loopback import unusable

__all__ = ["sole_port"]


@contextmanager
def sole_port(address: str, port: int) -> Iterator[None]:
    """Be the only server on a port while the block runs.

    Raises:
        Unavailable: something listens there, or a server is about to.
    """
    claim = socket.socket(socket.AF_UNIX)
    try:
        if sys.platform == "linux":  # a name without a file, which the kernel forgets with this process
            _bind(claim, f"\0clew server {address}:{port}", address, port)
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # connections that have just ended are no server
            _bind(probe, (address, port), address, port)
        yield
    finally:
        claim.close()


def _bind(taken: socket.socket, name: str | tuple[str, int], address: str, port: int) -> None:
    try:
        taken.bind(name)
    except OSError as error:
        raise unusable(address, port, error) from error
