"""Bytes of any size on their way in: held in memory while they are few, and in a file when they are many."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from clew.core.contracts.objects import Objects
from clew.core.ids import Digest
from clew.server.request import in_thread
from clew.store.objects.disk import disk_errors

__all__ = ["IN_MEMORY_BYTES", "put_received", "received"]

IN_MEMORY_BYTES = 1 << 20


@asynccontextmanager
async def received(pieces: AsyncIterator[bytes], folder: Path) -> AsyncIterator[bytes | Path]:
    """All that comes: as bytes, or as a file that is there until the block ends.

    Args:
        pieces: what comes.
        folder: where the file lies, on the disk on which it is to stay: `/tmp` may be memory.
    """
    held = bytearray()
    async for piece in pieces:
        held += piece
        if len(held) > IN_MEMORY_BYTES:
            break
    else:
        yield bytes(held)
        return
    with disk_errors("keep what is received"):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            await in_thread(file.write, held)
            async for piece in pieces:
                await in_thread(file.write, piece)
            await in_thread(file.flush)
            yield Path(file.name)


def put_received(objects: Objects, content: bytes | Path) -> Digest:
    """Make what was received an object."""
    return objects.put_file(content) if isinstance(content, Path) else objects.put(content)
