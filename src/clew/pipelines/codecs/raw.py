"""Bytes, as they are."""

from __future__ import annotations

from clew.pipelines.codecs.codec import Files

__all__ = ["BytesCodec"]


class BytesCodec:
    """`bytes`."""

    name = "bytes"

    def encode(self, value: object, files: Files) -> bytes:  # noqa: ARG002
        assert isinstance(value, bytes)
        return value

    def decode(self, data: bytes, files: Files) -> object:  # noqa: ARG002
        return data
