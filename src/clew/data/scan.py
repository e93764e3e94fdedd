"""What lies in a working folder, by names and stat calls alone: nothing is opened.

`.clew` and `.git` folders are not part of the data, and neither are files that clew is writing (`.clew-….tmp`).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from clew.core.errors import Conflict, Invalid, Unavailable
from clew.data.absent import no_file
from clew.data.folder import NEVER_DATA
from clew.store.objects.disk import DRAFT_NAME

__all__ = ["Found", "FoundFolder", "Working", "join", "look", "refuse_storage", "scan"]

_STORAGE = b".clew"


class Found(NamedTuple):
    """A file or a link as stat shows it. The same look twice means the same content, but for racy ones."""

    name: bytes
    mode: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)

    @property
    def is_executable(self) -> bool:
        """Whether its owner may execute it."""
        return bool(self.mode & stat.S_IXUSR)


class FoundFolder(NamedTuple):
    """A folder: its files and links, and the names of its folders, in the order of the disk."""

    files: list[Found]
    folders: list[bytes]


class Working(NamedTuple):
    """A folder of the user's.

    `folders` holds each one by its path from `top` (empty for itself), parents before children. `drafts` are the paths
    of what clew was writing there. Names and paths are bytes, as the disk has them: not every name is UTF-8.
    """

    top: bytes
    folders: dict[bytes, FoundFolder]
    drafts: list[bytes]

    @property
    def files(self) -> int:
        """How many files and links there are."""
        return sum(len(folder.files) for folder in self.folders.values())


def scan(root: Path) -> Working:
    """Look at a folder, or at a single file as if it lay alone in one.

    Raises:
        NotFound: there is neither.
        Invalid: something below cannot be read, or is neither a file, a link nor a folder.
        Unavailable: it cannot be read itself.
        Conflict: it changes while it is looked at.
    """
    path = os.fsencode(os.path.realpath(root))
    try:
        seen = os.stat(path)  # noqa: PTH116 - the path is bytes
    except (FileNotFoundError, NotADirectoryError) as error:
        raise no_file(root, kind="file or folder") from error
    except OSError as error:
        raise Unavailable(f"{root} cannot be read: {error.strerror}", hint="look at its permissions") from error
    if stat.S_ISREG(seen.st_mode):
        top, _, name = path.rpartition(b"/")
        return Working(top, {b"": FoundFolder([look(name, seen)], [])}, [])
    if not stat.S_ISDIR(seen.st_mode):
        raise Invalid(f"{root} is neither a file nor a folder", hint="copy what comes out of it into a file first")
    drafts: list[bytes] = []
    return Working(path, _scan_below(path, drafts), drafts)


def refuse_storage(root: Path) -> None:
    """What clew keeps is no data of the user's: adding it, or taking something out over it, would harm a project.

    Raises:
        Invalid: the path lies in a `.clew` folder.
    """
    if _STORAGE in os.fsencode(os.path.realpath(root)).split(b"/"):
        raise Invalid(f"{root} lies within the storage of a project", hint="choose another folder")


def look(name: bytes, stat: os.stat_result) -> Found:
    """What one stat result shows."""
    return Found(name, stat.st_mode, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def join(folder: bytes, name: bytes) -> bytes:
    """The path of a name in a folder, both from the top."""
    return folder + b"/" + name if folder else name


def _scan_below(top: bytes, drafts: list[bytes]) -> dict[bytes, FoundFolder]:
    found, left = {}, [b""]
    while left:
        path = left.pop()
        try:
            found[path] = folder = _folder(join(top, path) if path else top, drafts)
        except FileNotFoundError as error:
            raise Conflict(f"{_shown(error)} vanished while it was looked at", hint="repeat the command") from error
        except OSError as error:
            raise Invalid(f"{_shown(error)} cannot be read: {error.strerror}") from error
        left += [join(path, name) for name in folder.folders]
    return found


def _folder(path: bytes, drafts: list[bytes]) -> FoundFolder:
    files: list[Found] = []
    folders: list[bytes] = []
    with os.scandir(path) as entries:
        for entry in entries:
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                if name not in NEVER_DATA:
                    folders.append(name)
                continue
            s = entry.stat(follow_symlinks=False)
            mode = s.st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
                path_text = os.fsdecode(entry.path)
                raise Invalid(f"{path_text} is neither a file, a link nor a folder", hint="move it out of the data")
            if name.startswith(b".clew-") and DRAFT_NAME.fullmatch(os.fsdecode(name)):
                drafts.append(entry.path)
                continue
            files.append(Found(name, mode, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns))
    return FoundFolder(files, folders)


def _shown(error: OSError) -> str:
    return os.fsdecode(error.filename) if error.filename else "a folder"
