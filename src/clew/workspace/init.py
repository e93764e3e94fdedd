"""Makes projects."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from pathlib import Path

from clew.core.errors import Exists, Invalid, NotFound, Unavailable
from clew.settings import SETTINGS_FILE
from clew.store.beginning import begin_folder, beginning
from clew.store.objects.disk import Draft, sync_folder
from clew.workspace.find import FOLDER
from clew.workspace.workspace import Workspace

__all__ = ["init_project", "refuse_shared"]

_TEMPLATE = """\
# What must hold for this project. Every setting: clew settings

[project]
name = {name}
"""

_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - nothing is written there


def refuse_shared(folder: Path, environ: Mapping[str, str]) -> None:
    """Refuse to make a project by itself where everything else lies below it.

    Raises:
        NotFound: the folder is the root of the file system, a home folder, or one for temporary files.
    """
    temporary = [*_TEMPORARY, environ.get("TMPDIR") or _TEMPORARY[0]]
    if folder == Path(folder.anchor):
        what = "the root of the file system"
    elif folder == Path(environ.get("HOME") or folder.anchor).resolve():
        what = "your home folder"
    elif folder in [Path(name).resolve() for name in temporary]:
        what = "the folder for temporary files"
    else:
        return
    said = f"there is no project in {folder}, and in {what} none is made by itself"
    raise NotFound("project", str(folder), what=said, hint="run in a folder of its own, or make one here: clew init")


def init_project(folder: Path, *, name: str = "", environ: Mapping[str, str] | None = None) -> Path:
    """Make a project in a folder. A `clew.toml` that is there is kept.

    Args:
        folder: made when it is missing.
        name: of the project; that of the folder when it is empty.
        environ: as `Workspace` takes it.

    Returns:
        The folder.

    Raises:
        Exists: it is one already.
        Invalid: the name cannot be used, or the folder lies within a project's `.clew`.
        Unavailable: the folder cannot be written.
    """
    from clew.settings.render import render_value

    if FOLDER in folder.parts:
        raise Invalid(f"{folder} lies within the storage of a project", hint="choose another folder")
    settings, content = folder / SETTINGS_FILE, _TEMPLATE.format(name=render_value(name or folder.name or "project"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with beginning(folder):
            if (folder / FOLDER).is_dir():
                raise Exists("project", str(folder), hint="it is ready to use: clew --help")
            if not settings.exists():
                with Draft(folder, mode=0o666) as draft:
                    draft.write(content.encode())
                    draft.sync()
                    draft.publish(settings)
            begin_folder(folder / FOLDER)
            sync_folder(folder)  # what the stores promise to survive *power* lies below this name
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY) and (folder / FOLDER).is_dir():  # somebody else was faster
            raise Exists("project", str(folder), hint="it is ready to use: clew --help") from error
        raise Unavailable(f"no project can be made in {folder}: {error.strerror}") from error
    _furnish(folder, environ)
    return folder


def _furnish(folder: Path, environ: Mapping[str, str] | None) -> None:
    """Fill the new `.clew` of a folder; when that fails, leave nothing that looks like a project."""
    try:
        with Workspace(folder, environ=environ):
            pass
    except BaseException as error:
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        if isinstance(error, OSError):
            raise Unavailable(f"no project can be made in {folder}: {error.strerror}") from error
        raise
