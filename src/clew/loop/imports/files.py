"""Stores the files that runs and logged models of another tracker kept: small ones together, large ones streamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from clew.core.contracts.stores import Stores
from clew.core.types.run import Artifact
from clew.loop.imports.foreign import ForeignFile
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
            size = file.size_bytes
            if isinstance(file.content, Path) and size >= _SMALL_BYTES:
                digest = stores.objects.put_file(file.content)
            else:
                data = file.content.read_bytes() if isinstance(file.content, Path) else file.content()
                size = len(data)
                digest = batch.put(data)
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
