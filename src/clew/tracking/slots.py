"""The bytes of a journal segment: header, slots, and how to read them back.

Not the file (`segment`) and not the writer (`journal`). Layout and threats: docs/design/journal.md.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from clew.core.errors import Corrupt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "FLOAT_STEP",
    "CHILD",
    "HEADER_BYTES",
    "INT_STEP",
    "MAIN",
    "NAME_BYTES",
    "SLOT_BYTES",
    "Header",
    "Slots",
    "count_committed",
    "name_slots",
    "pack_float_step",
    "pack_header",
    "pack_int_step",
    "parse_header",
    "parse_slots",
]

HEADER_BYTES = 128
SLOT_BYTES = 32
NAME_BYTES = 1000
"""The longest name of a metric, in UTF-8."""

INT_STEP, FLOAT_STEP, NAME = 1 << 56, 2 << 56, 3 << 56
MAIN = 1
"""Flag of the journal of the process that started the run."""
CHILD = 2
"""Flag of the journal of a child (forked, or one that was handed the run), which its own process does not drain."""

pack_int_step = struct.Struct("<qqdQ").pack_into
pack_float_step = struct.Struct("<dqdQ").pack_into

_MAGIC = b"clewjrnl"
_HEADER = struct.Struct("<8sHHIQIIQ16s16s52x")
_PART = 24


class Header(NamedTuple):
    """What a segment says about itself."""

    run: str
    journal: str
    number: int
    base: int
    capacity: int
    main: bool
    pid: int
    created_ns: int
    child: bool = False

    @property
    def end(self) -> int:
        """The number of the slot behind its last one."""
        return self.base + self.capacity


class Slots(NamedTuple):
    """Committed points in slot order, one array per column. `steps` holds the raw 8 bytes of each step."""

    numbers: NDArray[np.int64]
    keys: NDArray[np.uint32]
    steps: NDArray[np.int64]
    times_us: NDArray[np.int64]
    values: NDArray[np.float64]
    float_step: NDArray[np.bool_]
    names: dict[int, str]


def pack_header(header: Header) -> bytes:
    """The 128 bytes that open a segment."""
    front = _HEADER.pack(
        _MAGIC,
        0,
        (MAIN if header.main else 0) | (CHILD if header.child else 0),
        header.number,
        header.base,
        header.capacity,
        header.pid,
        header.created_ns,
        bytes.fromhex(header.run),
        bytes.fromhex(header.journal),
    )
    return front + struct.pack("<I", zlib.crc32(front))


def parse_header(data: bytes, where: str) -> Header | None:
    """The header of a segment; None where the file was made and never got one.

    Raises:
        Corrupt: the bytes are no header of this version.
    """
    if len(data) < HEADER_BYTES or not any(data[:HEADER_BYTES]):
        return None
    magic, version, flags, number, base, capacity, pid, created, run, journal = _HEADER.unpack_from(data)
    if magic != _MAGIC or struct.unpack_from("<I", data, _HEADER.size)[0] != zlib.crc32(data[: _HEADER.size]):
        raise Corrupt(f"{where} is no journal segment: its header does not hold")
    if version != 0:
        raise Corrupt(f"{where} has journal format {version}; this clew reads 0", hint="use a newer clew")
    main, child = bool(flags & MAIN), bool(flags & CHILD)
    return Header(run.hex(), journal.hex(), number, base, capacity, main, pid, created, child)


def name_slots(key: int, name: bytes) -> bytes:
    """The slots that say that `key` means `name` (UTF-8, 1 to `NAME_BYTES` long)."""
    parts = []
    for part, at in enumerate(range(0, len(name), _PART)):
        head = NAME | (part << 16 | len(name)) << 32 | key
        parts.append(name[at : at + _PART].ljust(_PART, b"\0") + struct.pack("<Q", head))
    return b"".join(parts)


def count_committed(data: bytes, start: int) -> int:
    """How many slots there are before the first one, from `start` on, that is not committed."""
    import numpy as np

    heads = np.frombuffer(data, dtype="<u8", count=len(data) // SLOT_BYTES * 4)[3::4]
    (gaps,) = np.nonzero(heads[start:] == 0)
    return start + int(gaps[0]) if len(gaps) else len(heads)


def parse_slots(data: bytes, base: int, where: str, names: dict[int, str] | None = None) -> Slots:
    """Read committed slots; holes and a torn last slot are skipped.

    Args:
        data: slots without the header.
        base: number of the first slot in `data`.
        where: what to call the bytes in an error.
        names: names that are known from earlier slots of the segment; not changed.

    Raises:
        Corrupt: a slot of an unknown kind, or a point of a key that has no name.
    """
    import numpy as np

    row = np.dtype([("step", "<i8"), ("time", "<i8"), ("value", "<f8"), ("head", "<u8")])
    rows = np.frombuffer(data, dtype=row, count=len(data) // SLOT_BYTES)
    kinds = rows["head"] >> np.uint64(56)
    known = dict(names or {})
    if np.any(kinds > 3) or np.any(rows["head"][kinds == 0]):
        raise Corrupt(f"{where} holds a slot of an unknown kind")
    known.update(_parse_names(rows[kinds == 3], where))
    (at,) = np.nonzero((kinds == 1) | (kinds == 2))
    points = rows[at]
    keys = points["head"].astype(np.uint32)
    unnamed = set(np.unique(keys).tolist()) - known.keys()
    if unnamed or np.any(points["head"] << np.uint64(8) >> np.uint64(40)):
        raise Corrupt(f"{where} holds points of a metric that it does not name")
    return Slots(
        numbers=at.astype(np.int64) + base,
        keys=keys,
        steps=points["step"].astype(np.int64),
        times_us=points["time"] // 1000,
        values=points["value"].astype(np.float64),
        float_step=kinds[at] == 2,
        names=known,
    )


def _parse_names(rows: NDArray[np.void], where: str) -> dict[int, str]:
    parts: dict[int, dict[int, bytes]] = {}
    lengths: dict[int, int] = {}
    for row, head in zip(rows, rows["head"].tolist(), strict=True):
        key, detail = head & 0xFFFF_FFFF, head >> 32 & 0xFF_FFFF
        parts.setdefault(key, {})[detail >> 16] = row.tobytes()[:_PART]
        lengths[key] = detail & 0xFFFF
    names = {}
    for key, found in parts.items():
        count = -(-lengths[key] // _PART)
        if set(found) != set(range(count)):
            continue
        try:
            names[key] = b"".join(found[i] for i in range(count))[: lengths[key]].decode()
        except UnicodeDecodeError:
            raise Corrupt(f"{where} names a metric in bytes that are no UTF-8") from None
    return names
