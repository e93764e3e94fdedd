"""Finds the project that a folder belongs to. Not how one is made (`init`) or opened (`workspace`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from clew.core.errors import NotFound, Unavailable
from clew.core.hashing import hash_bytes
from clew.settings import SETTINGS_FILE, read_settings

__all__ = ["FOLDER", "find_project", "no_project", "remote_root"]

FOLDER = ".clew"
"""What makes a folder a project."""

_MOST_READABLE = 80


def find_project(start: Path) -> Path | None:
    """The nearest folder at or above `start` that holds a project, or whose `clew.toml` names one on a server.

    Raises:
        Invalid: such a `clew.toml` cannot be used.
    """
    return next((folder for folder in (start, *start.parents) if _is_project(folder)), None)


def _is_project(folder: Path) -> bool:
    if (folder / FOLDER).is_dir():
        return True
    file = folder / SETTINGS_FILE
    return file.is_file() and bool(read_settings(file, {}).server.url)


def remote_root(environ: Mapping[str, str]) -> Path | None:
    """The folder of journals and caches of the project that CLEW_SERVER names, for who is in no folder of a project.

    Raises:
        Unavailable: it cannot be made.
    """
    url = environ.get("CLEW_SERVER", "")
    if not url:
        return None
    from clew.tracking.offline import state_home

    place = url.partition("://")[2].strip("/")
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", place)[:_MOST_READABLE]
    root = state_home(environ) / "remote" / f"{readable}-{hash_bytes(place.encode())[:12]}"
    try:
        (root / FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"{root} cannot be made: {error.strerror}", hint="set XDG_STATE_HOME") from error
    return root


def no_project(start: Path, environ: Mapping[str, str]) -> NotFound:
    """What a person reads who is in no project's folder."""
    from clew.client.credentials import servers_of

    what = f"there is no project in {start}, nor in a folder above it"
    hint = "clew init makes one here"
    if servers := servers_of(environ):
        hint += f"; for one on a server that you are logged in to, set CLEW_SERVER={servers[-1]}/projects/NAME"
    return NotFound("project", str(start), what=what, hint=hint)
