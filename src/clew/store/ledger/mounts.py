"""Whether a path lies on a network file system, where SQLite's locks do not hold and its file would be damaged.

Linux says it in `/proc/self/mountinfo`, macOS in the output of `mount`. Where neither speaks, nothing is refused.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from clew.core.errors import Invalid

__all__ = ["Mount", "mounts", "refuse_network"]

_NETWORK = frozenset(
    {
        "9p",
        "acfs",
        "afpfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "fhgfs",
        "fuse.ceph-fuse",
        "fuse.cephfs",
        "fuse.davfs",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.goofys",
        "fuse.juicefs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.seaweedfs",
        "fuse.sshfs",
        "fuse.xtreemfs",
        "gfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "pvfs2",
        "smb2",
        "smb3",
        "smbfs",
        "webdav",
        "wekafs",
    }
)
_MACOS = re.compile(r"^.* on (?P<place>/.*) \((?P<kind>[\w.]+)[,)]")


class Mount(NamedTuple):
    """A place in the tree of files, and the kind of file system there."""

    place: Path
    kind: str


def refuse_network(path: Path, table: list[Mount] | None = None) -> None:
    """Refuse a file on a network file system.

    Args:
        path: the file; it need not be there yet.
        table: what is mounted, later ones above earlier ones; that of this machine when None.

    Raises:
        Invalid: it lies on one.
    """
    resolved = path.resolve()
    above = [mount for mount in (mounts() if table is None else table) if resolved.is_relative_to(mount.place)]
    found = max(enumerate(above), key=lambda each: (len(each[1].place.parts), each[0]), default=None)
    if found is not None and found[1].kind in _NETWORK:
        where = f"a network file system ({found[1].kind} at {found[1].place})"
        raise Invalid(
            f"the ledger {path} would lie on {where} and be damaged there",
            hint="move the project to a local disk, or keep its rows in PostgreSQL: CLEW_LEDGER=postgresql://…",
        )


def mounts() -> list[Mount]:
    """What is mounted on this machine, in the order in which it was."""
    if sys.platform == "darwin":
        said = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=False, timeout=10)
        return of_macos(said.stdout)
    try:
        return of_linux(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:
        return []


def of_linux(text: str) -> list[Mount]:
    """Parse `/proc/self/mountinfo`: the place is the fifth word, the kind the first one behind a lone dash."""
    found = []
    for line in text.splitlines():
        before, _, behind = line.partition(" - ")
        words, kind = before.split(" "), behind.split(" ")[0]
        if len(words) >= 5 and kind:
            found.append(Mount(Path(_unescaped(words[4])), kind))
    return found


def of_macos(text: str) -> list[Mount]:
    """Parse what `mount` prints: `//ann@server/share on /Volumes/share (smbfs, nodev)`."""
    lines = (_MACOS.match(line) for line in text.splitlines())
    return [Mount(Path(line["place"]), line["kind"]) for line in lines if line is not None]


def _unescaped(word: str) -> str:
    """Spaces, tabs, newlines and backslashes stand as octal numbers there."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), word)
