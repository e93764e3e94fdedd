"""Adds tables to a `clew.toml` at its end; what a person wrote there stays as it is, byte for byte."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from clew.core.errors import Exists, Unavailable
from clew.settings.read import settings_of
from clew.settings.toml import tables_of, text_of

__all__ = ["append_tables"]


def append_tables(path: Path, text: str, *, names: tuple[str, ...]) -> None:
    """Append tables to a settings file, atomically; the file is made when there is none. Survives *power*.

    Args:
        path: the `clew.toml`.
        text: whole tables in TOML.
        names: the path of the first of them, such as `("checks", "flights")`.

    Raises:
        Exists: the file has that table already.
        Invalid: the file cannot be read, or would not be one that clew understands.
        Unavailable: it cannot be written.
    """
    old = text_of(path)
    if _find(tables_of(old, where=str(path)), names) is not None:
        raise Exists("table", f"[{'.'.join(names)}]", hint=f"edit it in {path.name}, or remove it there first")
    if old:
        settings_of(old, where=path.name)
    gap = "" if not old else "\n" if old.endswith("\n") else "\n\n"
    new = f"{old}{gap}{text}"
    settings_of(new, where=path.name)
    _replace(path, new)


def _find(tables: dict[str, Any], names: tuple[str, ...]) -> Any:
    found: Any = tables
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _replace(path: Path, text: str) -> None:
    """Write a file beside the old one, make it durable, and put it in its place with the same permissions."""
    try:
        target = path.resolve()
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fchmod(file.fileno(), target.stat().st_mode & 0o777 if target.exists() else 0o644)
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error
