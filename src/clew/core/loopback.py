"""Loopback: addresses that only this machine reaches, and requests that a browser sends to them for somebody else.

A page of any site can have a browser post to `127.0.0.1`, and a name of its own that suddenly points there (DNS
rebinding) lets it read the answers too. Who asks callers for no key therefore looks at what a browser cannot be made
to lie about: the name that was called, and the page that called. A page of this machine is no better: whoever opened a
notebook, or some program's page on another port, did not mean to let its scripts in here.
"""

from __future__ import annotations

import errno
from functools import lru_cache
from urllib.parse import urlsplit

from clew.core.errors import Unavailable

__all__ = ["is_foreign", "is_loopback", "unusable", "url_of"]


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    import ipaddress  # loaded by who listens, not by every command

    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url_of(host: str, port: int) -> str:
    """What to call an address by over HTTP; one of IPv6 stands in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def unusable(host: str, port: int, error: OSError) -> Unavailable:
    """What to raise where nothing can listen at an address."""
    taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
    hint = "take another --port" if taken else "give --host an address of this machine"
    return Unavailable(f"{host}:{port} cannot be used: {error.strerror}", hint=hint)


@lru_cache(maxsize=256)
def is_foreign(host: str, origin: str) -> bool:
    """Whether a request came by another name than this machine's own, or from a page that did not come from here.

    Args:
        host: the `Host` header; "" where there is none, which no browser leaves out.
        origin: the `Origin` header; "" where there is none, as for programs. A page without an origin says `null`.
    """
    return bool(host and not _is_local(f"//{host}")) or bool(origin and not _is_same(host, origin))


def _is_same(host: str, origin: str) -> bool:
    """Whether a page came from where its request goes: the same name and port, behind a proxy for TLS too."""
    scheme, _, place = origin.partition("://")
    return scheme in ("http", "https") and place.lower() == host.lower() and _is_local(origin)


def _is_local(address: str) -> bool:
    try:
        return is_loopback(urlsplit(address).hostname or "")
    except ValueError:
        return False
