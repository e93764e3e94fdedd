"""Stores the files that runs and logged models of another tracker kept: small ones together, large ones streamed."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from clew.core.contracts.objects import ObjectBatch, Objects
from clew.core.contracts.stores import Stores
from clew.core.ids import Digest
from clew.core.types.run import Artifact
from clew.loop.imports.foreign import ForeignFile
from clew.store.objects.disk import disk_errors
from clew.tracking.artifact import check_path, media_type_of

__all__ = ["keep_files"]

_SMALL_BYTES = 1 << 20


def keep_files(
    stores: Stores, owner: str, files: Sequence[ForeignFile], there: Mapping[str, Artifact], *, at_us: int
) -> list[Artifact]:
    """Store files and return their rows; one of a path and size that is there already is not fetched again.

    Args:
        stores: of the project.
        owner: id of the run or logged model.
        files: to keep.
        there: what it keeps already, by path.
        at_us: when they were made, if nobody knows better.

    Raises:
        Invalid: a path leads out of its run.
        Unavailable: a file cannot be read.
    """
    kept: list[Artifact] = []
    if not files:
        return kept
    with stores.objects.batch() as batch:
        for file in files:
            path = check_path(file.path)
            known = there.get(path)
            if known is not None and (known.size_bytes == file.size_bytes or file.size_bytes < 0):
                kept.append(known)
                continue
            digest, size = _stored(stores.objects, batch, file)
            kept.append(
                Artifact(
                    run=owner,
                    path=path,
                    digest=digest,
                    size_bytes=size,
                    media_type=file.media_type or media_type_of(path),
                    created_us=at_us,
                )
            )
    return kept


def _stored(objects: Objects, batch: ObjectBatch, file: ForeignFile) -> tuple[Digest, int]:
    """The digest and size of a file, in memory only where it is small."""
    with disk_errors(f"read {file.path}"):
        if isinstance(file.content, Path):
            return _put(objects, batch, file.content)
        if 0 <= file.size_bytes < _SMALL_BYTES:
            content = BytesIO()
            file.content(content)
            return batch.put(content.getvalue()), content.tell()
        with tempfile.NamedTemporaryFile(prefix="clew-import-") as draft:
            file.content(draft)
            draft.flush()
            return _put(objects, batch, Path(draft.name))


def _put(objects: Objects, batch: ObjectBatch, path: Path) -> tuple[Digest, int]:
    size = path.stat().st_size
    return (batch.put(path.read_bytes()) if size < _SMALL_BYTES else objects.put_file(path)), size
