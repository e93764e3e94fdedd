"""What a checkout must do: compares what is there, what is wanted and what was there before. Does nothing itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from clew.core.ids import Digest
from clew.data.folder import Entry, EntryKind
from clew.data.scan import join
from clew.data.tree import ReadFolder

__all__ = ["Takeout", "plan_takeout"]


@dataclass
class Takeout:
    """What must happen below a target, by path from it.

    `endangered` are files that would be written over or removed although their content is in no version that this
    folder was taken from or added to.
    """

    write: list[tuple[bytes, Entry]] = field(default_factory=list)
    modes: list[tuple[bytes, Entry]] = field(default_factory=list)
    remove: list[bytes] = field(default_factory=list)
    make_folders: list[bytes] = field(default_factory=list)
    remove_folders: list[bytes] = field(default_factory=list)
    endangered: list[bytes] = field(default_factory=list)
    unchanged: int = 0
    kept: int = 0


class _Level(NamedTuple):
    """One folder to compare. `in_way` says that a file of the wanted version takes its place."""

    path: bytes
    there: Digest | None
    wanted: Digest | None
    bases: list[Digest]
    in_way: bool = False


def plan_takeout(read: ReadFolder, there: Digest, wanted: Digest, *, bases: list[Digest], exact: bool) -> Takeout:
    """Compare what lies in a folder with what should.

    Args:
        read: gives the folders of all trees.
        there: the root of what lies in the folder.
        wanted: the root of what should.
        bases: the roots of the versions that the folder was taken from or added to: their content is safe.
        exact: remove what is not wanted even if it was never in a version.
    """
    plan = Takeout()
    if there == wanted:
        plan.unchanged = sum(entry.files for entry in read(wanted))
        return plan
    left = [_Level(b"", there, wanted, bases)]
    while left:
        level = left.pop()
        there_by_name, wanted_by_name = _by_name(read, level.there), _by_name(read, level.wanted)
        bases_by_name = [_by_name(read, base) for base in level.bases]
        for name in sorted(there_by_name.keys() | wanted_by_name.keys()):
            before = [base[name] for base in bases_by_name if name in base]
            pair = there_by_name.get(name), wanted_by_name.get(name)
            left += _compare(plan, level, join(level.path, name), pair, before, exact)
    return plan


def _compare(
    plan: Takeout,
    level: _Level,
    path: bytes,
    pair: tuple[Entry | None, Entry | None],
    before: list[Entry],
    exact: bool,
) -> list[_Level]:
    """Decide about one name; what lies below it comes back."""
    there, wanted = pair
    bases = [entry.digest for entry in before if entry.kind is EntryKind.FOLDER]
    there_folder, wanted_folder = _folder(there), _folder(wanted)
    if there_folder is not None and there_folder == wanted_folder:
        plan.unchanged += there.files if there is not None else 0
        return []
    if there_folder is None and there is not None:
        _replace_file(plan, level, path, there, wanted, before, exact)
    elif wanted is not None and wanted_folder is None:
        plan.write.append((path, wanted))
    in_way = level.in_way or (wanted is not None and wanted_folder is None)
    if there_folder is not None and wanted_folder is None and (in_way or exact or bases):
        plan.remove_folders.append(path)
    if wanted_folder is not None and there_folder is None:
        plan.make_folders.append(path)
    if there_folder is None and wanted_folder is None:
        return []
    return [_Level(path, there_folder, wanted_folder, bases, in_way)]


def _replace_file(
    plan: Takeout,
    level: _Level,
    path: bytes,
    there: Entry,
    wanted: Entry | None,
    before: list[Entry],
    exact: bool,
) -> None:
    """Decide about a file or link that is there."""
    is_safe = any(_same_content(there, base) for base in before)
    if wanted is None:
        if is_safe or level.in_way or exact:
            plan.remove.append(path)
            if not is_safe:
                plan.endangered.append(path)
        else:
            plan.kept += 1
    elif _same_content(there, wanted):
        if there.kind is wanted.kind:
            plan.unchanged += 1
        else:
            plan.modes.append((path, wanted))
    else:
        if not is_safe:
            plan.endangered.append(path)
        if wanted.kind is EntryKind.FOLDER:
            plan.remove.append(path)
        else:
            plan.write.append((path, wanted))


def _by_name(read: ReadFolder, folder: Digest | None) -> dict[bytes, Entry]:
    return {entry.name: entry for entry in read(folder)} if folder is not None else {}


def _folder(entry: Entry | None) -> Digest | None:
    return entry.digest if entry is not None and entry.kind is EntryKind.FOLDER else None


def _same_content(one: Entry, other: Entry) -> bool:
    """Whether two entries are both links to the same, or both files of the same content."""
    if EntryKind.FOLDER in (one.kind, other.kind):
        return False
    return one.content == other.content and (one.kind is EntryKind.LINK) == (other.kind is EntryKind.LINK)
