"""The look itself: each check says something, and none stops the next one.

Nothing is changed. The repairs are chosen by the caller (`clew doctor --fix`).
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from clew.core.contracts.objects import Objects
from clew.core.contracts.stores import Stores
from clew.core.errors import ClewError
from clew.core.ids import Digest, time_us_of
from clew.core.numbers import counted
from clew.loop.doctor.finding import Finding, Level
from clew.loop.doctor.needs import needs
from clew.settings import SETTINGS_FILE, read_settings
from clew.store.ledger.postgres import PostgresLedger
from clew.store.ledger.sql.migrate import migrations
from clew.store.objects import CachedObjects, LocalObjects, RemoteObjects

__all__ = ["examine", "examine_place", "ledger_of"]

Tell = Callable[[int], None]

_LITTLE_BYTES = 1 << 30
_SHOWN = 20
_SKEW_US = 60 * 1_000_000


def ledger_of(root: Path) -> Path:
    """Where the ledger of an embedded project lies."""
    return root / ".clew" / "ledger.db"


def examine_place(root: Path, version: str, *, embedded: bool = True) -> Iterator[Finding]:
    """What can be seen before the project is opened: versions, settings, permissions, room, and the ledger's file."""
    yield _good("versions", f"clew {version}, Python {platform.python_version()}, {platform.platform()}")
    try:
        read_settings(root / SETTINGS_FILE, os.environ)
        yield _good("settings", f"{SETTINGS_FILE} is understood")
    except ClewError as error:
        yield Finding(check="settings", level=Level.PROBLEM, text=error.what, hint=error.hint)
    yield from _permissions(root / ".clew")
    yield _room(root)
    if embedded:
        yield _ledger(ledger_of(root), root / ".clew" / "objects")


def examine(stores: Stores, *, quick: bool, tell: Tell) -> Iterator[Finding]:
    """What can be seen in an open project: a database, objects, what is missing for what, journals, the clock.

    Args:
        stores: the project.
        quick: whether to look only whether objects are there, without reading them, nor every row of a database.
        tell: hears how many objects were looked at.
    """
    if isinstance(stores.ledger, PostgresLedger):
        yield from _database(stores.ledger, quick=quick)
    whole, damaged = _objects(stores.objects, quick=quick, tell=tell)
    for text in damaged[:_SHOWN]:
        hint = "restore it from a backup, or add the same data again"
        yield Finding(check="objects", level=Level.PROBLEM, text=text, hint=hint)
    if len(damaged) > _SHOWN:
        yield Finding(check="objects", level=Level.PROBLEM, text=f"and {len(damaged) - _SHOWN:,} more are damaged")
    if not damaged:
        yield _good("objects", f"{counted(len(whole), 'objects')} {'there' if quick else 'whole'}")
    yield from _missing(stores, whole)
    yield from _journals(stores.folder)
    yield _clock(stores)


def _permissions(folder: Path) -> Iterator[Finding]:
    closed = [
        path
        for path in (folder, folder / "ledger.db", folder / "objects", folder / "objects" / "packs")
        if path.exists() and not os.access(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0))
    ]
    for path in closed:
        hint = "look at its owner and mode, and whether the disk is read-only"
        yield Finding(check="permissions", level=Level.PROBLEM, text=f"{path} cannot be read and written", hint=hint)
    if not closed:
        yield _good("permissions", f"{folder} can be read and written")


def _room(root: Path) -> Finding:
    free = shutil.disk_usage(root).free
    text = f"{free / 1e9:.1f} GB are free"
    if free < _LITTLE_BYTES:
        return Finding(check="room", level=Level.WARNING, text=text, hint="free some space before it runs out")
    return _good("room", text)


def _ledger(path: Path, objects: Path) -> Finding:
    if not path.exists():
        if not any(objects.rglob("*.pack")) and not any((objects / "loose").glob("*/*")):
            return _good("ledger", "there is none yet, and no objects either")
        return _lost(f"{path} is gone, and its objects are there")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            wrong = [row[0] for row in connection.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
    except sqlite3.DatabaseError as error:
        if (error.sqlite_errorcode or 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return _lost(f"{path} cannot be read: {error}")
        hint = "look at its permissions, and whether another process holds it"
        return Finding(check="ledger", level=Level.PROBLEM, text=f"{path} cannot be opened: {error}", hint=hint)
    newest = max(migrations())
    if version > newest:
        text = f"the ledger has version {version}, this clew knows {newest}"
        return Finding(check="ledger", level=Level.PROBLEM, text=text, hint="install a newer clew")
    if wrong or not version:
        return _lost(f"{path} is damaged: {'; '.join(wrong) or 'it is empty'}")
    return _good("ledger", f"the ledger is whole, version {version}")


def _database(ledger: PostgresLedger, *, quick: bool) -> Iterator[Finding]:
    found = ledger.condition(quick=quick)
    for text in found.damaged[:_SHOWN]:
        hint = "restore the database from a backup; an index alone is made anew by REINDEX"
        yield Finding(check="ledger", level=Level.PROBLEM, text=text, hint=hint)
    if not found.damaged:
        state = "is there" if quick else "is whole"
        yield _good("ledger", f"the ledger {state}, version {found.version}, PostgreSQL {found.server}")
    if found.unsafe:
        text = (
            f"the database runs with {' and '.join(found.unsafe)} off: it may lose or damage rows when its power fails"
        )
        yield Finding(check="durability", level=Level.WARNING, text=text, hint="turn them on in postgresql.conf")


def _lost(text: str) -> Finding:
    hint = "restore it from a backup, or make one from what can be read: clew doctor --fix"
    return Finding(check="ledger", level=Level.PROBLEM, text=text, hint=hint)


def _objects(objects: Objects, *, quick: bool, tell: Tell) -> tuple[set[Digest], list[str]]:
    """The digests of which a sound copy is there, and what is damaged."""
    stored = objects.inner if isinstance(objects, CachedObjects) else objects
    if quick or not isinstance(stored, LocalObjects | RemoteObjects):
        return set(objects.list()), []
    whole: set[Digest] = set()
    damaged: list[tuple[Digest, str]] = []
    for count, (digest, damage) in enumerate(stored.check(), 1):
        tell(count)
        if damage is None:
            whole.add(digest)
        else:
            damaged.append((digest, damage.what))
    return whole, [text for digest, text in damaged if digest not in whole]


def _missing(stores: Stores, whole: set[Digest]) -> Iterator[Finding]:
    """Objects that are lost, each with what needs it."""
    lost: dict[Digest, list[str]] = defaultdict(list)
    with stores.ledger.read() as tx:
        for digest, name in needs(tx, stores.project, stores.objects):
            if digest and digest not in whole and name not in lost[digest]:
                lost[digest].append(name)
    lost = {digest: names for digest, names in lost.items() if names}
    for digest, names in list(lost.items())[:_SHOWN]:
        others = f" and {len(names) - 3} more" if len(names) > 3 else ""
        text = f"object {digest[:12]} is lost; it is needed for {', '.join(names[:3])}{others}"
        hint = "restore it from a backup, or add the same data again: equal bytes have the same name"
        yield Finding(check="needs", level=Level.PROBLEM, text=text, hint=hint)
    if len(lost) > _SHOWN:
        yield Finding(check="needs", level=Level.PROBLEM, text=f"and {len(lost) - _SHOWN:,} more are lost")
    if not lost:
        yield _good("needs", "everything that the ledger names is there")


def _journals(folder: Path) -> Iterator[Finding]:
    runs = sorted({path.parent.name for path in (folder / "journals").glob("*/*.journal")})
    set_aside = sorted(folder.rglob("*.corrupt"))
    if runs:
        text = f"{len(runs)} {'run has' if len(runs) == 1 else 'runs have'} journals that are not in the ledger yet"
        hint = "they are at work, or were killed: clew doctor --fix brings home what killed ones left"
        yield Finding(check="journals", level=Level.WARNING, text=text, hint=hint)
    for path in set_aside[:_SHOWN]:
        text = f"{path} is a journal that could not be read"
        yield Finding(check="journals", level=Level.WARNING, text=text, hint="keep it for a report, or remove it")
    if not runs and not set_aside:
        yield _good("journals", "no journal waits")


def _clock(stores: Stores) -> Finding:
    with stores.ledger.read() as tx:
        events = tx.events.list(stores.project, limit=1).items
    ahead_us = time_us_of(events[0].id) - stores.clock.now_us() if events else 0
    if ahead_us > _SKEW_US:
        text = f"the newest event lies {ahead_us / 3.6e9:.1f} hours in the future"
        hint = "the clock was wrong then, or is wrong now; nothing is lost, but times are not what they say"
        return Finding(check="clock", level=Level.WARNING, text=text, hint=hint)
    return _good("clock", "no event lies in the future")


def _good(check: str, text: str) -> Finding:
    return Finding(check=check, level=Level.GOOD, text=text)
