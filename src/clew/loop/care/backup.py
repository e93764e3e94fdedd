"""Copies a project of one folder while it is being written, and makes a project of such a copy.

A backup is a folder: `ledgers/<microseconds>.db`, what was not in such a ledger yet in `waiting/<microseconds>`,
`objects/` as the project has them, `clew.toml`. What has its name there already is not copied again. Order and
reasoning: docs/design/backup.md.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from clew.core.clock import format_us
from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Exists, Invalid, NotFound
from clew.loop.care.collect import mark
from clew.settings import SETTINGS_FILE
from clew.store.ledger.sqlite import SqliteLedger
from clew.store.objects.disk import Draft, disk_errors, locked, sync, sync_folder
from clew.store.objects.local import LocalObjects

__all__ = ["BackedUp", "Restored", "back_up", "ledgers_of", "restore"]

_PIECE_BYTES = 4 << 20
_KEPT = ("journals", "offline", "decisions")
"""Folders below `.clew` that hold what is not in the ledger yet."""

_WAITING = "waiting"

Tell = Callable[[int], None]


class BackedUp(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup did: `copied` files of objects and their bytes, `live` objects that were looked for in the copy."""

    ledger: str
    copied: int
    copied_bytes: int
    live: int


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: the moment of the ledger, how many objects were read and are whole, and which are damaged."""

    at_us: int
    objects: int
    damaged: list[str]


def back_up(stores: Stores, root: Path, target: Path, *, keep: int = 3, tell: Tell) -> BackedUp:
    """Bring a backup up to date; the project may be written meanwhile.

    Args:
        stores: a project that is one folder.
        root: that folder.
        target: the folder of the backup, made when it is new.
        keep: so many moments of the ledger stay, this one included.
        tell: hears how many files were copied.

    Raises:
        Invalid: the rows or the bytes of the project are elsewhere, the ledger has other projects too, or the target
            lies within it.
        Corrupt: the copy lacks something that is needed.
    """
    objects = _local(stores)
    source = stores.folder / "ledger.db"
    if not source.exists():
        hint = "back up the database with its own tools (pg_dump), and the objects with those of their store"
        raise Invalid("the rows of this project are in a database of their own", hint=hint)
    with stores.ledger.read() as tx:
        others = [each.name for each in tx.projects.list() if each.id != stores.project]
    if others:
        hint = "stop the server, and copy its whole folder"
        raise Invalid(f"the bytes of {', '.join(others[:5])}, whose rows are here too, would be left out", hint=hint)
    if any(target.resolve().is_relative_to(own.resolve()) for own in (root, stores.folder)):
        hint = "choose another disk: what happens to the folder happens to the backup"
        raise Invalid(f"{target} lies within the project's own folder", hint=hint)
    with disk_errors(f"back up to {target}"):
        for name in ("ledgers", "objects/loose", "objects/packs", "objects/drafts"):
            (target / name).mkdir(parents=True, exist_ok=True)
        (target / ".clew-backup").touch()
        with objects.exclusive(), locked(target / ".clew-backup"):
            _sweep_waiting(target)
            ledger = _next_ledger(target, stores.clock.now_us())
            waiting = _waiting_of(target, ledger)
            _copy_waiting(stores.folder, waiting)
            draft = target / "ledgers" / "draft"
            _copy_ledger(source, draft)
            copied, size_bytes = _copy_objects(objects.folder, target / "objects", tell)
            _copy_settings(root, target)
            live = _check(replace(stores, folder=waiting), draft, target / "objects")
            _publish(draft, ledger)
            for old in ledgers_of(target)[: -max(keep, 1)]:
                old.unlink()
            _sweep_waiting(target)
    return BackedUp(ledger=str(ledger), copied=copied, copied_bytes=size_bytes, live=live)


def restore(backup: Path, root: Path, *, at_us: int | None = None, tell: Tell) -> Restored:
    """Make a project of a backup, and read all of it.

    Args:
        backup: its folder.
        root: where the project will be; a `clew.toml` that is there is kept.
        at_us: the newest ledger of this moment or before it; the newest of all when None.
        tell: hears how many files were copied.

    Raises:
        NotFound: this is no backup.
        Invalid: it has no ledger of that time.
        Exists: there is a project already.
    """
    final, made = root / ".clew", root / ".clew.restoring"
    kept = ledgers_of(backup)
    if not kept:
        raise NotFound("backup", str(backup), hint="name a folder that clew backup has written")
    ledgers = [path for path in kept if at_us is None or int(path.stem) <= at_us]
    if not ledgers:
        oldest = format_us(int(kept[0].stem))[:10]
        raise Invalid(f"the oldest moment in {backup} is of {oldest}", hint=f"--until {oldest}, or a later day")
    if final.exists():
        raise Exists("project", str(root), hint="restore into another folder, or move this one away first")
    with disk_errors(f"restore into {root}"):
        for name in ("loose", "packs", "drafts"):
            (made / "objects" / name).mkdir(parents=True, exist_ok=True)
        _copy_objects(backup / "objects", made / "objects", tell)
        _copy_file(ledgers[-1], made / "ledger.db", mode=0o644)
        _copy_waiting(_waiting_of(backup, ledgers[-1]), made)
        (made / ".gitignore").write_text("*\n", encoding="utf-8")
        if not (root / SETTINGS_FILE).exists() and (backup / SETTINGS_FILE).exists():
            _copy_file(backup / SETTINGS_FILE, root / SETTINGS_FILE, mode=0o644)
        sync_folder(made)
        made.rename(final)
        sync_folder(root)
    checked = list(LocalObjects(final / "objects").check())
    damaged = [damage.what for _, damage in checked if damage is not None]
    return Restored(at_us=int(ledgers[-1].stem), objects=len(checked) - len(damaged), damaged=damaged)


def ledgers_of(backup: Path) -> list[Path]:
    """The moments that a backup holds, oldest first."""
    return sorted(path for path in (backup / "ledgers").glob("*.db") if path.stem.isdecimal())


def _next_ledger(target: Path, now_us: int) -> Path:
    """The name of a new moment, behind all that are there, also where the clock went back."""
    last = max((int(path.stem) for path in ledgers_of(target)), default=0)
    return target / "ledgers" / f"{max(now_us, last + 1):016d}.db"


def _waiting_of(backup: Path, ledger: Path) -> Path:
    """Where a backup has what was not in a ledger yet."""
    return backup / _WAITING / ledger.stem


def _sweep_waiting(backup: Path) -> None:
    """Remove what waited for ledgers that are gone, or never came to be."""
    known = {ledger.stem for ledger in ledgers_of(backup)}
    for folder in backup.glob(f"{_WAITING}/*"):
        if folder.name not in known:
            shutil.rmtree(folder)


def _local(stores: Stores) -> LocalObjects:
    """The objects of a project, if they are in a folder of this machine."""
    if not isinstance(stores.objects, LocalObjects):
        raise Invalid("the objects of this project are not in a folder of this machine", hint="do this where they are")
    return stores.objects


def _copy_ledger(source: Path, draft: Path) -> None:
    """One state of the ledger, while others write."""
    draft.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as one,
        closing(sqlite3.connect(draft)) as two,
    ):
        one.backup(two)
        wrong = [row[0] for row in two.execute("PRAGMA integrity_check(3)") if row[0] != "ok"]
    if wrong:
        raise Corrupt(f"the ledger {source} is damaged: {'; '.join(wrong)}", hint="clew doctor")


def _publish(draft: Path, target: Path) -> None:
    """Give a copy of a ledger its name, durably."""
    _sync_file(draft)
    draft.rename(target)
    sync_folder(target.parent)


def _sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDWR)
    try:
        sync(fd)
    finally:
        os.close(fd)


def _copy_objects(source: Path, target: Path, tell: Tell) -> tuple[int, int]:
    """Copy the files that have no namesake of the same length yet: a name says what is in it."""
    copied = size_bytes = 0
    touched: set[Path] = set()
    for path in _files(source):
        there = target / path.relative_to(source)
        size = path.stat().st_size
        if there.exists() and there.stat().st_size == size:
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        _copy_file(path, there, mode=0o444)
        touched.update((there.parent, there.parent.parent))
        copied, size_bytes = copied + 1, size_bytes + size
        tell(copied)
    for folder in touched:
        sync_folder(folder)
    return copied, size_bytes


def _files(objects: Path) -> Iterator[Path]:
    """The files of a store that hold objects, packs first."""
    yield from sorted((objects / "packs").glob("*.pack"))
    for shard in sorted((objects / "loose").glob("??")):
        yield from sorted(path for path in shard.iterdir() if len(path.name.removesuffix(".zst")) == 64)


def _copy_file(source: Path, target: Path, *, mode: int) -> None:
    with source.open("rb") as file, Draft(target.parent, mode=mode) as draft:
        if not draft.clone(file):
            while piece := file.read(_PIECE_BYTES):
                draft.write(piece)
        draft.sync()
        draft.publish(target)


def _copy_waiting(source: Path, target: Path) -> None:
    """Copy what is not in the ledger yet: before the ledger, so that what moves meanwhile is in one or the other."""
    for name in _KEPT:
        shutil.rmtree(target / name, ignore_errors=True)
        if (source / name).is_dir():
            _copy_alive(source / name, target / name)
    target.mkdir(parents=True, exist_ok=True)
    for folder in (target, *target.parents[:2]):
        sync_folder(folder)


def _copy_alive(source: Path, target: Path) -> None:
    """Copy a folder of journals, any of which may be drained and go meanwhile: what it held is in the ledger then."""
    target.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        for path in source.iterdir():
            if path.is_dir():
                _copy_alive(path, target / path.name)
            else:
                with suppress(FileNotFoundError):
                    shutil.copyfile(path, target / path.name)
                    _sync_file(target / path.name)
    sync_folder(target)


def _copy_settings(root: Path, target: Path) -> None:
    if (root / SETTINGS_FILE).exists():
        _copy_file(root / SETTINGS_FILE, target / SETTINGS_FILE, mode=0o644)


def _check(stores: Stores, ledger: Path, folder: Path) -> int:
    """Look whether a folder has every object that a copied ledger needs, or what waits for it; how many those are."""
    objects, stored = LocalObjects(folder), set(_local(stores).list())
    copy = SqliteLedger(ledger)
    try:
        live = mark(replace(stores, ledger=copy, objects=objects), stored, lambda _: None)
        lost = objects.missing(live)
    except NotFound as error:
        raise Corrupt(f"the backup lacks an object that is needed: {error.what}", hint="repeat the command") from error
    finally:
        copy.close()
    if lost:
        raise Corrupt(f"the backup lacks {len(lost)} objects that are needed", hint="repeat the command")
    return len(live)
