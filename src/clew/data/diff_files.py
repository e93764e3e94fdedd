"""What changed between two trees of folders. Equal folders are never opened, so that the cost follows the change."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator

import msgspec

from clew.core.ids import Digest
from clew.data.folder import Entry, EntryKind
from clew.data.tree import ReadFolder, walk

__all__ = ["FileChange", "FileDiff", "FileRename", "FileSeen", "diff_files"]


class FileSeen(msgspec.Struct, frozen=True):
    """A file or link on one side. An empty folder is one too; its path ends with `/`."""

    path: str
    size_bytes: int


class FileChange(msgspec.Struct, frozen=True):
    """A path whose content, kind or executable bit differs."""

    path: str
    before_bytes: int
    after_bytes: int
    content: bool


class FileRename(msgspec.Struct, frozen=True):
    """The same content under another path."""

    before: str
    after: str
    size_bytes: int


class FileDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What changed, each list by path."""

    added: list[FileSeen]
    removed: list[FileSeen]
    changed: list[FileChange]
    renamed: list[FileRename]

    @property
    def empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.added or self.removed or self.changed or self.renamed)


def diff_files(read: ReadFolder, before: Digest, after: Digest) -> FileDiff:
    """Compare two trees.

    Args:
        read: gives the folders of both.
        before: the root of one.
        after: the root of the other.
    """
    added: list[tuple[str, Entry]] = []
    removed: list[tuple[str, Entry]] = []
    changed: list[FileChange] = []
    for path, old, new in _differences(read, before, after):
        if old is not None and new is not None:
            content = (old.kind is EntryKind.LINK, old.content) != (new.kind is EntryKind.LINK, new.content)
            changed.append(FileChange(path, old.size_bytes, new.size_bytes, content))
        elif old is not None:
            removed.append((path, old))
        elif new is not None:
            added.append((path, new))
    renamed = _renames(removed, added)
    gone, come = {one.before for one in renamed}, {one.after for one in renamed}
    return FileDiff(
        added=sorted((_seen(*one) for one in added if one[0] not in come), key=lambda seen: seen.path),
        removed=sorted((_seen(*one) for one in removed if one[0] not in gone), key=lambda seen: seen.path),
        changed=sorted(changed, key=lambda change: change.path),
        renamed=sorted(renamed, key=lambda rename: rename.after),
    )


def _differences(read: ReadFolder, before: Digest, after: Digest) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """Files, links and empty folders that differ, with what they are on each side."""
    left = [("", before, after)]
    while left:
        prefix, old_digest, new_digest = left.pop()
        if old_digest == new_digest:
            continue
        olds = {entry.name: entry for entry in read(old_digest)}
        news = {entry.name: entry for entry in read(new_digest)}
        for name in olds.keys() | news.keys():
            old, new = olds.get(name), news.get(name)
            if old == new:
                continue
            path = prefix + (old or new).text  # type: ignore[union-attr]  # one of them is there
            if _is_folder(old) and _is_folder(new):
                left.append((path + "/", old.digest, new.digest))  # type: ignore[union-attr]
            elif _is_folder(old) or _is_folder(new) or old is None or new is None:
                yield from ((one, entry, None) for one, entry in _leaves(read, path, old))
                yield from ((one, None, entry) for one, entry in _leaves(read, path, new))
            else:
                yield path, old, new


def _leaves(read: ReadFolder, path: str, entry: Entry | None) -> Iterator[tuple[str, Entry]]:
    """The entry itself, or the files and empty folders below it."""
    if entry is None:
        return
    if entry.kind is not EntryKind.FOLDER:
        yield path, entry
    elif not read(entry.digest):
        yield path + "/", entry
    else:
        for inner, below in walk(read, entry.digest, prefix=path + "/"):
            if below.kind is not EntryKind.FOLDER:
                yield inner, below
            elif not read(below.digest):
                yield inner + "/", below


def _renames(removed: list[tuple[str, Entry]], added: list[tuple[str, Entry]]) -> list[FileRename]:
    """Pairs of the same content: those that keep their name first, then in the order of paths."""
    gone, come = (
        {path: entry for path, entry in sorted(side, key=_path_of) if _may_move(entry)} for side in (removed, added)
    )
    found: list[FileRename] = []
    for key_of in (_content_and_name, _content):
        waiting: dict[object, deque[str]] = defaultdict(deque)
        for path, entry in gone.items():
            waiting[key_of(path, entry)].append(path)
        for path, entry in list(come.items()):
            if alike := waiting[key_of(path, entry)]:
                before = alike.popleft()
                found.append(FileRename(before, path, entry.size_bytes))
                del gone[before], come[path]
    return found


def _path_of(one: tuple[str, Entry]) -> str:
    return one[0]


def _may_move(entry: Entry) -> bool:
    return entry.size_bytes > 0 and entry.kind is not EntryKind.FOLDER


def _content(_: str, entry: Entry) -> object:
    return entry.kind is EntryKind.LINK, entry.content


def _content_and_name(path: str, entry: Entry) -> object:
    return _content(path, entry), path.rpartition("/")[2]


def _is_folder(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is EntryKind.FOLDER


def _seen(path: str, entry: Entry) -> FileSeen:
    return FileSeen(path, entry.size_bytes)
