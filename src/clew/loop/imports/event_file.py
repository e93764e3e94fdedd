"""Reads TensorBoard's event files: records with checksums, and in them protocol buffers, of which a few fields matter.

Layout of a record: length `u64`, masked CRC-32C of it `u32`, the event, masked CRC-32C of that `u32`, little-endian.
The fields are those of TensorFlow's event.proto, summary.proto and tensor.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from clew.core.errors import Corrupt
from clew.core.extras import require

__all__ = ["ODD", "Event", "Value", "fields", "read_events"]

ODD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, struct.error)
"""What comes of reading a message that nobody's writer of such messages wrote."""

_LENGTH = struct.Struct("<QI")
_CRC = struct.Struct("<I")
_DOUBLE, _FLOAT = struct.Struct("<d"), struct.Struct("<f")
_MASK, _BITS = 0xA282EAD8, 0xFFFFFFFF
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Value(NamedTuple):
    """One value of a summary: its tag, the kind of field that holds it, the field, and its plugin with what it adds."""

    tag: str
    kind: int
    content: Any
    plugin: str
    added: bytes


class Event(NamedTuple):
    """What was written at a step."""

    time_us: int
    step: int
    values: list[Value]


def read_events(path: Path) -> Iterator[Event]:
    """The events of a file, in their order. A record that was only begun, as a killed writer leaves it, ends the file.

    Raises:
        Corrupt: a checksum or an event does not hold.
        MissingExtra: google-crc32c is not installed.
    """
    crc: Callable[[bytes], int] = require("google_crc32c").value
    with path.open("rb") as file:
        at = 0
        while len(head := file.read(12)) == 12:
            length, check = _LENGTH.unpack(head)
            if _masked(crc(head[:8])) != check:
                raise _damaged(path, at)
            body = file.read(length + 4) if length < 1 << 32 else b""
            if len(body) < length + 4:
                return
            data = body[:length]
            if _masked(crc(data)) != _CRC.unpack_from(body, length)[0]:
                raise _damaged(path, at)
            try:
                yield _event(data)
            except ODD as error:
                raise _damaged(path, at) from error
            at += 16 + length


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: numbers as they are, everything else as bytes. Those of eight and four bytes too."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}[kind] if kind in (_FIXED64, _FIXED32) else -1
        if length < 0 or at + length > end:
            raise ValueError("a field ends behind its message")
        yield number, data[at : at + length]
        at += length


def _event(data: bytes) -> Event:
    time_us, step, values = 0, 0, []
    for number, value in fields(data):
        if number == 1:
            time_us = round(_DOUBLE.unpack(value)[0] * 1e6)
        elif number == 2:
            step = value - (1 << 64) if value >> 63 else value
        elif number == 5:
            values = [_value(part) for field, part in fields(value) if field == 1]
    return Event(time_us, step, values)


def _value(data: bytes) -> Value:
    tag, kind, content, plugin, added = "", 0, None, "", b""
    for number, value in fields(data):
        if number == 1:
            tag = value.decode()
        elif number == 9:
            plugin, added = _plugin(value)
        elif number == 2:
            kind, content = number, _FLOAT.unpack(value)[0]
        elif number in (4, 5, 8):
            kind, content = number, value
    return Value(tag, kind, content, plugin, added)


def _plugin(data: bytes) -> tuple[str, bytes]:
    for number, value in fields(data):
        if number == 1:
            found = dict(fields(value))
            return found.get(1, b"").decode(), found.get(2, b"")
    return "", b""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 128:
        return byte, at + 1
    value, shift = byte & 127, 7
    while True:
        at += 1
        byte = data[at]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at + 1
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _masked(crc: int) -> int:
    return (((crc >> 15) | (crc << 17 & _BITS)) + _MASK) & _BITS


def _damaged(path: Path, at: int) -> Corrupt:
    return Corrupt(f"{path} is damaged at byte {at}", hint="move the file away to import the others")
