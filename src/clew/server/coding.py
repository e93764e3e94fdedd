"""Bodies that are compressed on their way: gzip and zstd, in both directions.

What a client sends is unpacked a little at a time, so that a small body that unpacks to gigabytes is refused before it
takes memory: routes limit what they read, and no body may unpack to far more than it is.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

import zstandard
from litestar.exceptions import ClientException, HTTPException

__all__ = ["CODINGS", "Unpacking", "coding_for", "packed_body"]

CODINGS = ("zstd", "gzip")
_SLICE, _PIECE = 256, 1 << 20
_MOST_RATIO, _FREE_BYTES = 200, 64 << 20
_WINDOW_BYTES = 8 << 20
_ZSTD_LEVEL, _GZIP_LEVEL = 3, 4


class _Inflate(Protocol):
    def pieces(self, data: bytes) -> Iterator[bytes]: ...
    def over(self) -> bool: ...


class Unpacking:
    """One body that is unpacked as it comes.

    Args:
        coding: `gzip` or `zstd`.

    Raises:
        HTTPException: 415, nobody here can unpack that.
    """

    def __init__(self, coding: str) -> None:
        if coding not in CODINGS:
            raise HTTPException(f"Content-Encoding {coding} is not understood: gzip or zstd", status_code=415)
        self._inflate: _Inflate = _Gzip() if coding == "gzip" else _Zstd()
        self._coding, self._read, self._made = coding, 0, 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What some bytes unpack to, in pieces of at most some megabytes.

        Raises:
            HTTPException: 400, the bytes are damaged; 413, they unpack to far more than they are.
        """
        self._read += len(data)
        try:
            for piece in self._inflate.pieces(data):
                self._made += len(piece)
                if self._made > _FREE_BYTES and self._made > _MOST_RATIO * self._read:
                    raise HTTPException("the body unpacks to far more than it is", status_code=413)
                yield piece
        except (zlib.error, zstandard.ZstdError) as error:
            raise ClientException(f"the body is not {self._coding}: {error}") from None

    def end(self) -> None:
        """Say that nothing more comes.

        Raises:
            HTTPException: 400, the end is missing.
        """
        if not self._inflate.over():
            raise ClientException(f"the {self._coding} body ends too early")


class _Gzip:
    def __init__(self) -> None:
        self._state = zlib.decompressobj(wbits=31)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            yield self._state.decompress(data, _PIECE)
            data = self._state.unconsumed_tail
            if self._state.eof:
                if self._state.unused_data:
                    raise zlib.error("there is more behind its end")
                return

    def over(self) -> bool:
        return self._state.eof


class _Zstd:
    """Its library unpacks all that it is given at once, so that it is given a little: 256 bytes make 8 MB at most."""

    def __init__(self) -> None:
        self._state = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).decompressobj()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _SLICE):
            if self._state.eof:
                raise zstandard.ZstdError("there is more behind its end")
            yield self._state.decompress(data[at : at + _SLICE])
        if self._state.eof and self._state.unused_data:
            raise zstandard.ZstdError("there is more behind its end")

    def over(self) -> bool:
        return self._state.eof


def coding_for(accepted: str) -> str:
    """The coding to answer with, by `Accept-Encoding`; "" for none."""
    offered = set()
    for word in accepted.lower().split(","):
        name, _, weight = word.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            offered.add(name.strip())
    return next((coding for coding in CODINGS if coding in offered), "")


def packed_body(body: bytes, coding: str) -> bytes:
    """A whole body, compressed."""
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)
    state = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)
    return state.compress(body) + state.flush()
