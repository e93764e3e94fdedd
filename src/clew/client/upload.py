"""A large object on its way to a server, in pieces: what was cut off goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import msgspec

from clew.client.connection import Connection
from clew.core.errors import Conflict, Unavailable
from clew.core.ids import Digest

__all__ = ["upload"]

_PIECE_BYTES = 8 << 20
_TRIES, _WAIT_S, _MOST_WAIT_S = 8, 0.25, 5.0
_BYTES = {"content-type": "application/octet-stream"}


class _State(msgspec.Struct, frozen=True, kw_only=True):
    offset: int
    stored: bool = False


def upload(connection: Connection, digest: Digest, chunks: Iterable[bytes]) -> None:
    """Send an object whose bytes are read once, in order. A server that goes away may come back.

    Args:
        connection: to the project.
        digest: of the whole.
        chunks: the whole.

    Raises:
        Unavailable: the server stayed away for too long. What it has, it keeps for a week: repeat the command.
    """
    path = f"/uploads/{digest}"
    sent = 0
    state = _patiently(lambda: connection.get(path, _State))
    for piece in _pieces(chunks):
        end = sent + len(piece)
        if state.stored:
            return
        while state.offset < end:
            if state.offset < sent:
                raise Unavailable("the server has lost pieces that it had", hint="repeat the command")
            state = _append(connection, path, state.offset, piece[state.offset - sent :])
        sent = end
    _patiently(lambda: connection.send("POST", f"{path}/end", {}, _State))


def _append(connection: Connection, path: str, offset: int, piece: bytes) -> _State:
    """Send a piece, and say how far the object has come: the answer to one that came may have been lost."""

    def send() -> _State:
        try:
            return connection.ask("PUT", path, _State, piece, _BYTES, query={"offset": offset})
        except Conflict:
            return connection.get(path, _State)

    return _patiently(send)


def _patiently(call: Callable[[], _State]) -> _State:
    """Call again while the server is away, for about half a minute."""
    for tried in range(_TRIES):
        try:
            return call()
        except Unavailable:
            if tried == _TRIES - 1:
                raise
            time.sleep(min(_WAIT_S * 2**tried, _MOST_WAIT_S))
    raise AssertionError("unreachable")


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= _PIECE_BYTES:
            yield bytes(held[:_PIECE_BYTES])
            del held[:_PIECE_BYTES]
    if held:
        yield bytes(held)
