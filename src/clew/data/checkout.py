"""Take a files version out into a folder: write what differs, and never over work that is nowhere else.

Each file appears at once, whole; the folder as a whole does not. An interrupted checkout is finished by the same
command. What must be done is decided in `takeout.py`; the rules are in docs/design/data.md.
"""

# Paths are bytes here, and a Path object per file would double the cost of a small one.
# ruff: noqa: PTH101, PTH102, PTH105, PTH106, PTH108, PTH116

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path

import msgspec

from clew.core.contracts.objects import Objects
from clew.core.errors import Conflict, Invalid, NotFound
from clew.core.ids import Digest
from clew.core.numbers import some
from clew.core.types.dataset import DatasetKind, DatasetVersion
from clew.data.folder import Entry, EntryKind
from clew.data.scan import Found, Working, join, look, refuse_storage, scan
from clew.data.site import Site
from clew.data.snapshot import Tell, state_of
from clew.data.stat_cache import FolderState, StatCache, filesystem_now_ns, load, real, save
from clew.data.takeout import Takeout, plan_takeout
from clew.data.tree import reader, walk
from clew.data.working import HashOnly, known_state, read_working, with_new
from clew.store.objects.disk import disk_errors, remove_abandoned

__all__ = ["Checkout", "checkout"]

_THREADS = 4
_TASK_FILES = 64
_SHOWN = 5


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkout did. `kept` counts files that are no part of the version and were left alone."""

    reference: str
    path: str
    written: int
    removed: int
    unchanged: int
    kept: int


def checkout(
    site: Site,
    version: DatasetVersion,
    target: Path,
    *,
    force: bool = False,
    exact: bool = False,
    tell: Tell | None = None,
) -> Checkout:
    """Make a folder hold what a version holds.

    Files that are neither in the version nor in the one that was here before are left alone. Contents survive *kill*,
    not *power*: run it again after a crash of the machine.

    Args:
        site: where from.
        version: of kind files.
        target: made when it is not there.
        force: write over files that were changed since they were taken out or added.
        exact: remove whatever is not in the version.
        tell: hears how many of the files have been written.

    Raises:
        Conflict: a file in the way was changed and is stored nowhere; nothing was written.
        Invalid: the version is no files version, or the target is clew's own.
        Unavailable: the disk is full.
    """
    if version.kind is not DatasetKind.FILES:
        raise Invalid(f"{version.reference} is a {version.kind.value}, not files", hint="read it as a frame instead")
    if not target.is_relative_to(site.folder):
        refuse_storage(target)
    if target.exists() and not target.is_dir():
        raise Conflict(f"{target} is there already and no folder", hint="choose another folder")
    with disk_errors(f"write {target}"):
        target.mkdir(parents=True, exist_ok=True)
        cache = known_state(site, target)
        working, taken = read_working(site, target, cache=cache, sink=HashOnly())
        read = with_new(reader(site.objects), taken)
        plan = plan_takeout(read, taken.digest, version.digest, bases=_bases(site, target), exact=exact)
        if plan.endangered and not force:
            raise _refusal(target, version, plan.endangered)
        _announce(site, version, target, cache)
        written = _apply(site.objects, working, plan, tell)
        _remember(site, version, target, _looks(working) | written)
    return Checkout(
        reference=version.reference,
        path=str(target),
        written=len(plan.write) + len(plan.modes),
        removed=len(plan.remove),
        unchanged=plan.unchanged,
        kept=plan.kept,
    )


def _bases(site: Site, target: Path) -> list[Digest]:
    """The roots of the versions that the folder was taken from or added to."""
    cache = load(site.folder, target)
    roots = []
    for reference in cache.references if cache is not None else []:
        with suppress(NotFound, Invalid):
            roots.append(site.datasets.resolve(reference).digest)
    return roots


def _refusal(target: Path, version: DatasetVersion, endangered: list[bytes]) -> Conflict:
    shown = some([os.fsdecode(path) for path in sorted(endangered)], most=_SHOWN)
    return Conflict(
        f"{version.reference} would write over what is in no version: {shown} (in {target})",
        hint="add the folder as a version first, choose another folder, or use --force to lose the changes",
    )


def _announce(site: Site, version: DatasetVersion, target: Path, cache: StatCache | None) -> None:
    """Say before the first write what the folder will be from, so that an interrupted checkout can go on."""
    known = load(site.folder, target)
    before = known.references if known is not None else []
    pending = StatCache(
        root=real(target),
        references=[*dict.fromkeys([*before, version.reference])],
        digest=cache.digest if cache is not None else version.digest,
        folders=cache.folders if cache is not None else {},
    )
    save(site.folder, pending)


def _apply(objects: Objects, working: Working, plan: Takeout, tell: Tell | None) -> dict[bytes, Found]:
    """Do it; how the written files look comes back."""
    top = working.top
    for draft in working.drafts:
        remove_abandoned(draft)
    for path in plan.remove:
        os.unlink(join(top, path))
    for path in sorted(plan.remove_folders, key=len, reverse=True):
        with suppress(OSError):  # a file that is kept keeps its folder
            os.rmdir(join(top, path))
    for path in sorted(plan.make_folders, key=len):
        os.mkdir(join(top, path))
    written = dict(_write(objects, top, plan.write, tell))
    for path, entry in plan.modes:
        _set_mode(join(top, path), entry)
        written[path] = _look(top, path)
    return written


def _write(
    objects: Objects, top: bytes, wanted: list[tuple[bytes, Entry]], tell: Tell | None
) -> Iterator[tuple[bytes, Found]]:
    def task(files: list[tuple[bytes, Entry]]) -> list[tuple[bytes, Found]]:
        return [(path, _write_one(objects, top, path, entry)) for path, entry in files]

    left, done = iter(wanted), 0
    tasks = list(iter(lambda: list(islice(left, _TASK_FILES)), []))
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="clew-write") as pool:
        try:
            for written in pool.map(task, tasks):
                yield from written
                done += len(written)
                if tell is not None:
                    tell(done, len(wanted))
        finally:
            pool.shutdown(cancel_futures=True)


def _write_one(objects: Objects, top: bytes, path: bytes, entry: Entry) -> Found:
    full = join(top, path)
    if entry.kind is EntryKind.LINK:
        draft = os.path.dirname(full) + b"/.clew-" + os.urandom(8).hex().encode() + b".tmp"  # noqa: PTH120
        os.symlink(entry.content, draft)  # noqa: PTH211
        os.replace(draft, full)
    else:
        objects.save(entry.digest, Path(os.fsdecode(full)))
        if entry.kind is EntryKind.EXECUTABLE:
            _set_mode(full, entry)
    return _look(top, path)


def _set_mode(full: bytes, entry: Entry) -> None:
    """Let those execute who may read, or nobody."""
    mode = stat.S_IMODE(os.stat(full).st_mode) & ~0o111
    os.chmod(full, mode | (mode & 0o444) >> 2 if entry.kind is EntryKind.EXECUTABLE else mode)


def _look(top: bytes, path: bytes) -> Found:
    return look(path.rpartition(b"/")[2], os.lstat(join(top, path)))


def _looks(working: Working) -> dict[bytes, Found]:
    """How each file looked before it was compared, by path."""
    return {join(path, file.name): file for path, folder in working.folders.items() for file in folder.files}


def _remember(site: Site, version: DatasetVersion, target: Path, known: dict[bytes, Found]) -> None:
    """Keep how the folder looks: those of its folders that hold just what the version does, in files known to."""
    now_ns = filesystem_now_ns(site.folder)
    found = scan(target).folders
    read = reader(site.objects)
    roots = [(b"", version.digest)]
    roots += [
        (os.fsencode(path), entry.digest)
        for path, entry in walk(read, version.digest)
        if entry.kind is EntryKind.FOLDER
    ]
    states: dict[bytes, FolderState] = {}
    for path, digest in roots:
        folder, entries = found.get(path), read(digest)
        if folder is None or {entry.name for entry in entries} != {*folder.folders, *(f.name for f in folder.files)}:
            continue
        if all(known.get(join(path, file.name)) == file for file in folder.files):
            states[path] = state_of(folder, entries, digest, now_ns=now_ns)
    new = StatCache(root=real(target), references=[version.reference], digest=version.digest, folders=states)
    save(site.folder, new)
