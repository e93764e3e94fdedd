"""Where MLflow keeps files: a folder of this machine, a bucket, or behind a server as `mlflow-artifacts:`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO
from urllib.parse import unquote

from clew.core.address import address_parts
from clew.core.errors import Invalid
from clew.loop.imports.foreign import ForeignFile
from clew.store.objects.bucket import is_bucket, open_bucket

__all__ = ["MlflowFiles", "below"]


class MlflowFiles:
    """Reads the files at an address.

    Args:
        base: the folder that relative paths start at.
        proxied: the folder or bucket that `mlflow-artifacts:` stands for; `mlartifacts` in `base` when empty.
    """

    def __init__(self, base: Path, *, proxied: str = "") -> None:
        self._base, self._proxied = base, proxied

    def at(self, address: str) -> Iterator[ForeignFile]:
        """Every file below an address, by path. A folder that was never made holds none.

        Raises:
            Invalid: nothing can be read from such an address.
        """
        parts = address_parts(address)
        if parts is None:
            raise Invalid(f"{address!r}, where files are said to be, is no address")
        if parts.scheme == "mlflow-artifacts":
            root = self._proxied or str(self._base / "mlartifacts")
            if not self._proxied and not Path(root).is_dir():
                raise Invalid(
                    f"the files are at {address}, behind a server",
                    hint="say what the server keeps them in: --artifacts FOLDER_OR_BUCKET; or import from the server",
                )
            yield from self.at(f"{root.rstrip('/')}/{unquote(parts.path).strip('/')}")
        elif is_bucket(address):
            yield from _in_bucket(address)
        elif parts.scheme in ("", "file"):
            path = unquote(parts.path) if parts.scheme else address
            yield from below(self._base / path)
        else:
            raise Invalid(f"files at {address} cannot be read", hint="import from the server that has them: its URL")


def below(root: Path) -> Iterator[ForeignFile]:
    """Every regular file below a folder, by path; links are not followed."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield ForeignFile(path.relative_to(root).as_posix(), path, path.stat().st_size)


def _in_bucket(address: str) -> Iterator[ForeignFile]:
    bucket = open_bucket(address)

    def fetch(key: str, out: IO[bytes]) -> None:
        out.writelines(bucket.read_to(key))

    for key, size, _ in bucket.list():
        yield ForeignFile(key, partial(fetch, key), size)
