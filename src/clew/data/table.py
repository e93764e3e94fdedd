"""A table version: a manifest object that names its parts, which are Parquet objects. Format: docs/design/data.md.

Version 0. The rows of a part and the digests of its columns follow from the content alone, so equal tables have equal
digests; how Parquet encodes them is not part of the identity.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, cast

import msgspec

from clew.core.canonical import digest_of
from clew.core.contracts.objects import Objects
from clew.core.errors import Corrupt
from clew.core.extras import require
from clew.core.ids import Digest
from clew.data.columns import column_digest

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PART_ROWS", "Manifest", "Part", "cut", "encode_part", "read_manifest", "scan_parts", "scan_table"]

PART_ROWS = 1 << 17
"""Rows of every part but the last. Part of the format: it decides which rows a digest is over."""

_FORMAT = "clew.table/0"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive rows of a table. `columns` are the digests of their contents, in the order of the schema."""

    object: Digest
    rows: int
    size_bytes: int
    columns: list[Digest]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a version consists of. `schema` holds name and type of each column in order."""

    schema: list[tuple[str, str]]
    key: list[str]
    parts: list[Part]
    format: str = _FORMAT

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return sum(part.rows for part in self.parts)

    @property
    def columns(self) -> dict[str, str]:
        """Column to type."""
        return dict(self.schema)

    @property
    def digest(self) -> Digest:
        """The digest of the content: schema, key and values."""
        return digest_of(_FORMAT, [self.schema, self.key, [[part.rows, part.columns] for part in self.parts]])

    def encode(self) -> bytes:
        """The object."""
        return msgspec.json.encode(self)


_decoder = msgspec.json.Decoder(Manifest)


def read_manifest(objects: Objects, digest: Digest) -> Manifest:
    """A manifest from a store.

    Raises:
        NotFound: it is not stored.
        Corrupt: it is damaged, or of a format that this clew does not know.
    """
    try:
        manifest = _decoder.decode(objects.get(digest))
    except msgspec.MsgspecError as error:
        raise Corrupt(f"the manifest {digest} cannot be read ({error})") from error
    if manifest.format != _FORMAT:
        raise Corrupt(f"the manifest {digest} has format {manifest.format!r}", hint="a newer clew wrote it")
    return manifest


def cut(frame: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, list[Digest]]]:
    """The parts of a table with the digests of their columns."""
    for start in range(0, frame.height, PART_ROWS):
        rows = frame.slice(start, PART_ROWS)
        yield rows, [column_digest(column) for column in rows.get_columns()]


def encode_part(rows: pl.DataFrame) -> bytes:
    """A part as Parquet."""
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def scan_table(objects: Objects, manifest: Manifest, *, parts: int | None = None) -> pl.LazyFrame:
    """The rows of a table, in order; bytes are verified now, and read when the frame is collected.

    Args:
        objects: where the parts are.
        manifest: names them.
        parts: how many to scan; all when None.

    Raises:
        NotFound, Corrupt: a part is lost or damaged.
    """
    return scan_parts(objects, [part.object for part in manifest.parts[:parts]])


def scan_parts(objects: Objects, digests: Sequence[Digest]) -> pl.LazyFrame:
    """The rows of Parquet objects of one schema, one after the other.

    Parts that are files of their own are scanned in place; others are held in memory, compressed.
    """
    require("polars")
    import polars as pl

    sources = [objects.find_path(digest) or objects.get(digest) for digest in digests]
    runs = [list(run) for _, run in groupby(sources, key=lambda source: isinstance(source, bytes))]
    frames = [pl.scan_parquet(cast("list[bytes]", run), glob=False) for run in runs]
    return frames[0] if len(frames) == 1 else pl.concat(frames)
