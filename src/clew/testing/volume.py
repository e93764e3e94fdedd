"""What lies on a disk: as the page cache has it, which is what a process sees, and as a loss of power may leave it.

Not what makes operations fail (`disk`).

- Contents that were not synced are kept or lost page by page, and a file may be longer than what was written to it.
- Names that were made, moved or removed since their folder was synced are kept or lost one by one.
- What a failed sync covered is never written by a later one: the kernel has forgotten that it was not.

A rename may thus be lost, happen, leave both names or none, which is worse than what journalling file systems do.
"""

from __future__ import annotations

import os
import random
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["File", "Folder", "Volume"]

_PAGE = 4096


@dataclass(eq=False)
class File:
    """A file: `path` is where its cached contents are, `held` its contents once it has no name any more."""

    path: str
    durable: bytes = b""
    held: bytes | None = None
    forgotten: dict[int, bytes] = field(default_factory=dict)
    """Pages that a failed sync covered, with their contents then."""

    def cached(self) -> bytes:
        """Its contents as a process reads them."""
        if self.held is not None:
            return self.held
        with open(self.path, "rb") as file:  # noqa: PTH123 - not through what is replaced
            return file.read()

    def sync(self) -> None:
        """Take all to the disk, but for what a failed sync has covered."""
        cached, before = self.cached(), self.durable
        pages = _pages(cached)
        for at, content in list(self.forgotten.items()):
            if at < len(pages) and pages[at] == content:
                pages[at] = before[at * _PAGE : (at + 1) * _PAGE].ljust(len(pages[at]), b"\0")[: len(pages[at])]
            else:
                del self.forgotten[at]
        self.durable = b"".join(pages)

    def forget(self) -> None:
        """A sync failed: what was dirty counts as written from now on, and is not."""
        durable = _pages(self.durable)
        for at, content in enumerate(_pages(self.cached())):
            if at >= len(durable) or durable[at] != content:
                self.forgotten[at] = content

    def survivor(self, draw: random.Random) -> bytes:
        """Its contents as one loss of power leaves them."""
        cached, durable = self.cached(), self.durable
        if cached == durable:
            return durable
        low, high = sorted((len(cached), len(durable)))
        size = draw.choice((low, high, draw.randint(low, high)))
        kept = b""
        for at in range(0, size, _PAGE):
            source = draw.choice((cached, durable))
            if self.forgotten.get(at // _PAGE) == cached[at : at + _PAGE]:
                source = durable
            kept += source[at : at + _PAGE].ljust(_PAGE, b"\0")
        return kept[:size]


@dataclass(eq=False)
class Folder:
    """A folder: its names as cached, as of its last sync, and what happened to them since."""

    names: dict[str, File | Folder] = field(default_factory=dict)
    durable: dict[str, File | Folder] = field(default_factory=dict)
    changes: list[tuple[str, File | Folder | None]] = field(default_factory=list)

    def put(self, name: str, node: File | Folder | None) -> None:
        """A name means something else from now on, or nothing any more."""
        self.changes.append((name, node))
        if node is None:
            self.names.pop(name, None)
        else:
            self.names[name] = node

    def sync(self) -> None:
        """Take its names to the disk."""
        self.durable, self.changes = dict(self.names), []

    def survivors(self, draw: random.Random) -> dict[str, File | Folder]:
        """Its names as one loss of power leaves them."""
        kept = dict(self.durable)
        for name, node in self.changes:
            if draw.random() < 0.5:
                continue
            if node is None:
                kept.pop(name, None)
            else:
                kept[name] = node
        return kept


class Volume:
    """Everything below one folder. What lies there at the beginning is durable.

    Paths that it is asked for come from `inside`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        self._root = Folder()
        self._scan(self._root, self.folder)

    def inside(self, path: Any) -> str | None:
        """The path below the folder; None for what is not on this disk, or not clew's own."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return None
        text = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - a link is not followed
        text = os.path.join(os.path.realpath(os.path.dirname(text)), os.path.basename(text))  # noqa: PTH118, PTH119, PTH120
        mine = text == self.folder or text.startswith(f"{self.folder}/")
        return text if mine and not _is_database(text) else None

    def find(self, path: str) -> File | Folder | None:
        """What lies at a path now."""
        folder, name = self._place(path)
        return folder.names.get(name) if name else self._root

    def opened(self, path: str, *, fresh: bool) -> File | None:
        """The file that was opened at a path; None for a folder.

        Args:
            path: where.
            fresh: whether it was made by that.
        """
        folder, name = self._place(path)
        if fresh or name not in folder.names:
            folder.put(name, File(path))
        node = folder.names[name]
        return node if isinstance(node, File) else None

    def made(self, path: str) -> None:
        """A folder was made."""
        folder, name = self._place(path)
        folder.put(name, Folder())

    def moved(self, old: str, new: str) -> None:
        """A file has another name."""
        folder, name = self._place(old)
        node = folder.names.get(name)
        if isinstance(node, Folder):
            raise NotImplementedError("this disk knows no renames of folders")
        other, fresh = self._place(new)
        node = node or File(new)
        node.path = new
        other.put(fresh, node)
        folder.put(name, None)

    def removed(self, path: str) -> None:
        """A name is gone."""
        folder, name = self._place(path)
        folder.put(name, None)

    def hold(self, path: str) -> None:
        """Keep the contents of a file that is about to lose its name: the removal may not survive."""
        node = self.find(path)
        if isinstance(node, File) and node.held is None:
            with suppress(FileNotFoundError):
                node.held = node.cached()

    def survive(self, target: Path, draw: random.Random) -> None:
        """Write what one loss of power leaves of it.

        Args:
            target: where to; it must not exist.
            draw: which of the possible survivors.
        """
        self._write(self._root, Path(self.folder), target, draw)

    def _write(self, folder: Folder, source: Path, target: Path, draw: random.Random) -> None:
        target.mkdir(parents=True)
        for name, node in folder.survivors(draw).items():
            if isinstance(node, Folder):
                self._write(node, source / name, target / name, draw)
            else:
                (target / name).write_bytes(node.survivor(draw))
        for path in source.iterdir() if source.is_dir() else ():
            if path.is_file() and path.name not in folder.names:  # SQLite's
                (target / path.name).write_bytes(path.read_bytes())

    def _scan(self, folder: Folder, path: str) -> None:
        for entry in os.scandir(path) if Path(path).is_dir() else ():
            if entry.is_dir(follow_symlinks=False):
                inner = folder.names[entry.name] = Folder()
                self._scan(inner, entry.path)
            elif entry.is_file(follow_symlinks=False) and not _is_database(entry.name):
                file = folder.names[entry.name] = File(entry.path)
                file.durable = file.cached()
        folder.durable = dict(folder.names)

    def _place(self, path: str) -> tuple[Folder, str]:
        """The folder that a path is in, and its name there."""
        folder, parts = self._root, Path(path).relative_to(self.folder).parts
        for name in parts[:-1]:
            inner = folder.names.get(name)
            if not isinstance(inner, Folder):
                inner = Folder()
                folder.names[name] = folder.durable[name] = inner
            folder = inner
        return folder, parts[-1] if parts else ""


def _pages(data: bytes) -> list[bytes]:
    return [data[at : at + _PAGE] for at in range(0, len(data), _PAGE)]


def _is_database(name: str) -> bool:
    return name.endswith((".db", ".db-wal", ".db-shm", ".db-journal"))
