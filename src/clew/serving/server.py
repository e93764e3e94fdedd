"""One replica as a process: a socket, the application, the journal, and the watch over the aliases.

`clew.serving.http` carries the bytes. Beyond loopback it listens only once it has keys.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.errors import Denied, Unavailable
from clew.core.extras import require
from clew.core.loopback import is_loopback, unusable, url_of
from clew.core.types.endpoint import Endpoint
from clew.serving.app import EndpointApp
from clew.serving.compaction import journal_folder
from clew.serving.endpoint import Load, load_slots, record, watch
from clew.serving.journal import ReplicaJournal, is_live
from clew.serving.keys import KeyRing, list_keys
from clew.serving.listen import run
from clew.serving.slots import Slots

__all__ = ["Address", "find_address", "serve"]

_MOST_REPLICAS = 64
_SWITCH_S = 0.0005
"""How long other threads (slow shadows, the watch over the aliases) may keep a request waiting for the interpreter."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a replica answers."""

    endpoint: str
    replica: str
    url: str
    pid: int


def serve(
    stores: Stores,
    designed: Endpoint,
    *,
    host: str,
    port: int,
    most_rows: int,
    shadows: Sequence[str],
    load: Load,
    ready: Callable[[Address], None],
) -> None:
    """Answer requests until the process is told to stop (SIGINT, SIGTERM).

    Args:
        stores: the project.
        designed: what to serve, from `clew.serving.endpoint.design`; written down once nothing else can fail.
        host: an address of this machine; beyond loopback only when the endpoint has keys.
        port: 0 takes any free one.
        most_rows: in one request.
        shadows: aliases whose versions score in shadow.
        load: brings a version into memory.
        ready: called once the replica accepts connections.

    Raises:
        Denied: the host is not loopback, and the endpoint has no keys.
        Unavailable: the port is taken, or every replica of this endpoint is held.
        NotFound: the endpoint's alias names no version yet.
    """
    require("httptools")
    ring = _key_ring(stores, designed.name, host)
    slots = load_slots(stores, designed, shadows=shadows, load=load)
    with ExitStack() as closing:
        listener = closing.enter_context(_listen(host, port))
        endpoint = record(stores, designed)
        journal = _replica(stores, endpoint)
        closing.callback(journal.close)
        app = EndpointApp(
            endpoint.name,
            slots,
            journal=journal,
            clock=stores.clock,
            ids=stores.ids,
            most_rows=most_rows,
            allows=ring.allows,
        )
        closing.callback(app.close)
        closing.enter_context(_following(app, stores, endpoint, shadows=shadows, load=load))
        address = Address(
            endpoint=endpoint.name,
            replica=journal.folder.name,
            url=url_of(host, listener.getsockname()[1]),
            pid=os.getpid(),
        )
        closing.callback(_publish(journal.folder, address).unlink, missing_ok=True)
        sys.setswitchinterval(_SWITCH_S)
        ready(address)
        run(app, listener)


@contextmanager
def _following(
    app: EndpointApp, stores: Stores, endpoint: Endpoint, *, shadows: Sequence[str], load: Load
) -> Iterator[None]:
    """Swap the versions of an application whenever the aliases move, within the block."""

    def swap(fresh: Slots) -> None:
        app.slots = fresh
        app.metrics.swaps += 1

    stop = threading.Event()
    facts = {"shadows": shadows, "load": load, "slots": app.slots, "swap": swap, "stop": stop}
    watcher = threading.Thread(target=watch, args=(stores, endpoint), kwargs=facts, name="clew-aliases", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def find_address(stores: Stores, endpoint: Endpoint) -> Address | None:
    """A replica of the endpoint that runs on this machine."""
    for path in sorted(journal_folder(stores, endpoint.id).glob("*/address.json")):
        with suppress(FileNotFoundError):  # it ends, and has taken its address away
            if is_live(path.parent):
                return msgspec.json.decode(path.read_bytes(), type=Address)
    return None


def _publish(folder: Path, address: Address) -> Path:
    path = folder / "address.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.encode(address))
    temporary.replace(path)
    return path


def _replica(stores: Stores, endpoint: Endpoint) -> ReplicaJournal:
    """The first replica that nobody holds: a process that starts anew goes on with the journal it had."""
    root = journal_folder(stores, endpoint.id)
    for number in range(1, _MOST_REPLICAS + 1):
        try:
            return ReplicaJournal(root / f"replica-{number}", stores.ids)
        except Unavailable as error:
            if not isinstance(error.__cause__, BlockingIOError):  # the disk; where another holds it, take the next
                raise
    raise Unavailable(f"{_MOST_REPLICAS} replicas of {endpoint.name!r} run already", hint="stop some of them")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise unusable(host, port, error) from error
    listener.listen(512)
    listener.setblocking(False)
    return listener


def _key_ring(stores: Stores, endpoint: str, host: str) -> KeyRing:
    """Beyond loopback a key is asked for, whether or not there is one."""
    local = is_loopback(host)
    if not local and not list_keys(stores.folder, endpoint):
        raise Denied(
            f"{host} is not loopback, and endpoint {endpoint!r} has no keys by which to know who calls",
            hint=f"clew keys add {endpoint}, or listen on 127.0.0.1",
        )
    return KeyRing(stores.folder, endpoint, required=not local)
