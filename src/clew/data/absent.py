"""The error for a path where nothing is: with what lies beside it, or where a link would have led."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from clew.core.errors import Invalid, NotFound

__all__ = ["no_file"]


def no_file(path: Path, *, kind: str = "file") -> NotFound | Invalid:
    """What to raise for a path that is not there.

    Args:
        path: as the user gave it.
        kind: what was looked for.
    """
    if path.is_symlink():
        return Invalid(f"{path} is a link to {path.readlink()}, which leads nowhere", hint="mend the link")
    folder = path.parent
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return NotFound(kind, str(path), hint=f"there is no folder {folder}" if not folder.is_dir() else "")
    near = [str(folder / name) for name in get_close_matches(path.name, names, n=3)]
    return NotFound(kind, str(path), near=near, hint="" if near else f"looked in {folder.absolute()}")
