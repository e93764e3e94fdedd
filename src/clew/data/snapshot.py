"""A working folder as a tree of digests: what looks as it did is not read, the rest is read by a few threads."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from clew.core.contracts.objects import ObjectBatch
from clew.core.errors import Conflict, Invalid
from clew.core.hashing import hash_file
from clew.core.ids import Digest
from clew.data.folder import Entry, EntryKind, encode
from clew.data.scan import Found, FoundFolder, Working, join, look
from clew.data.stat_cache import FolderState, StatCache, looks, signature
from clew.data.tree import ReadFolder

__all__ = ["SMALL_BYTES", "Sink", "Snapshot", "Tell", "snapshot", "state_of"]

SMALL_BYTES = 8 << 20
"""Files below this length share packs; longer ones are objects of their own."""

_ROUND_BYTES = 1 << 30
_THREADS = 4
_TASK_FILES = 64

Tell = Callable[[int, int], None]
"""Hears of progress: so much is done, of so much in all."""


class Sink(Protocol):
    """Where contents go: an `Objects`, or something that only hashes them."""

    def batch(self) -> AbstractContextManager[ObjectBatch]:
        """Take many small contents."""
        ...

    def put_file(self, path: Path) -> Digest:
        """Take a large file."""
        ...


class Snapshot(NamedTuple):
    """A working folder as a tree. `folders` is what a stat cache keeps of it, `new` the folders that were made."""

    digest: Digest
    size_bytes: int
    files: int
    folders: dict[bytes, FolderState]
    new: dict[Digest, list[Entry]]
    read_files: int


class _Unread(NamedTuple):
    """A file whose content is to be read; `before` is its entry in the folder as it was known."""

    folder: bytes
    found: Found
    before: Entry | None


@dataclass
class _Plan:
    """What is known of each folder, and what must be read."""

    same: set[bytes] = field(default_factory=set)
    known: dict[bytes, dict[bytes, Entry]] = field(default_factory=dict)
    unread: list[_Unread] = field(default_factory=list)


def snapshot(
    working: Working,
    *,
    cache: StatCache | None,
    read: ReadFolder,
    sink: Sink,
    now_ns: int,
    tell: Tell | None = None,
) -> Snapshot:
    """Turn a working folder into a tree, its new contents and folders into objects.

    Args:
        working: what was found in it.
        cache: how it looked when its content was known; its objects are stored.
        read: gives the folders of that time.
        sink: takes contents and folders.
        now_ns: the file system's time from before `working` was looked at.
        tell: hears how many files have been read.

    Raises:
        Conflict: a file changed while it was read.
        Invalid: a file cannot be read.
        NotFound, Corrupt: a folder that the cache names is not stored; a snapshot without the cache will do.
    """
    plan = _plan(working, cache, read)
    rounds = list(_rounds(plan.unread))
    done = 0
    for at, some in enumerate(rounds):
        with sink.batch() as batch:
            for entries in _read(working.top, some, batch, sink):
                for folder, entry in entries:
                    plan.known[folder][entry.name] = entry
                done += len(entries)
                if tell is not None:
                    tell(done, len(plan.unread))
            if at == len(rounds) - 1:
                states, new = _fold(working, plan, cache, read, batch, now_ns)
    root = states[b""]
    return Snapshot(Digest(root.digest.hex()), root.size_bytes, root.files, states, new, done)


def state_of(folder: FoundFolder, entries: list[Entry], digest: Digest, *, now_ns: int) -> FolderState:
    """What a stat cache keeps of a folder that holds `entries`."""
    return FolderState(
        signature(folder, racy_from_ns=now_ns),
        bytes.fromhex(digest),
        sum(entry.size_bytes for entry in entries),
        sum(entry.files for entry in entries),
    )


def _plan(working: Working, cache: StatCache | None, read: ReadFolder) -> _Plan:
    plan = _Plan()
    states = cache.folders if cache is not None else {}
    for path, folder in working.folders.items():
        state = states.get(path)
        if state is not None and state.look == signature(folder):
            plan.same.add(path)
            continue
        entries = _files_of(state, read) if state is not None else {}
        seen = looks(state) if state is not None else {}
        known = plan.known[path] = {}
        for file in folder.files:
            before = entries.get(file.name)
            if before is not None and seen.get(file.name) == file:
                known[file.name] = before
            else:
                plan.unread.append(_Unread(path, file, before))
    return plan


def _files_of(state: FolderState, read: ReadFolder) -> dict[bytes, Entry]:
    """The files and links of a folder as it was, by name."""
    entries = read(Digest(state.digest.hex()))
    return {entry.name: entry for entry in entries if entry.kind is not EntryKind.FOLDER}


def _rounds(unread: list[_Unread]) -> Iterator[list[_Unread]]:
    """Pieces that are stored one after the other, so that a break in the middle keeps what was done. At least one."""
    some: list[_Unread] = []
    size_bytes = 0
    for file in unread:
        some.append(file)
        size_bytes += file.found.size_bytes
        if size_bytes >= _ROUND_BYTES:
            yield some
            some, size_bytes = [], 0
    yield some


def _read(top: bytes, unread: list[_Unread], batch: ObjectBatch, sink: Sink) -> Iterator[list[tuple[bytes, Entry]]]:
    def task(files: list[_Unread]) -> list[tuple[bytes, Entry]]:
        return [(file.folder, _entry(top, file, batch, sink)) for file in files]

    left = iter(unread)
    tasks = list(iter(lambda: list(islice(left, _TASK_FILES)), []))
    if len(tasks) <= 1:
        yield from map(task, tasks)
        return
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="clew-read") as pool:
        try:
            yield from pool.map(task, tasks)
        finally:
            pool.shutdown(cancel_futures=True)


def _entry(top: bytes, file: _Unread, batch: ObjectBatch, sink: Sink) -> Entry:
    found = file.found
    path = join(top, join(file.folder, found.name))
    try:
        if found.is_link:
            content, kind = os.readlink(path), EntryKind.LINK  # noqa: PTH115 - the path is bytes
            _unchanged(path, found, os.lstat(path))
        else:
            kind = EntryKind.EXECUTABLE if found.is_executable else EntryKind.FILE
            large = found.size_bytes >= SMALL_BYTES
            digest = _large(path, file, sink) if large else batch.put(_small(path, found))
            content = bytes.fromhex(digest)
    except FileNotFoundError as error:
        raise Conflict(f"{os.fsdecode(path)} vanished before it was read", hint="repeat the command") from error
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link has taken the place of the file
            raise _changed(path) from error
        raise Invalid(f"{os.fsdecode(path)} cannot be read: {error.strerror}") from error
    return Entry(found.name, kind, found.size_bytes, 1, content)


def _small(path: bytes, found: Found) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        data = os.read(fd, found.size_bytes + 1)
        while len(data) < found.size_bytes and (more := os.read(fd, found.size_bytes + 1 - len(data))):
            data += more
        _unchanged(path, found, os.fstat(fd))
    finally:
        os.close(fd)
    if len(data) != found.size_bytes:
        raise _changed(path)
    return data


def _large(path: bytes, file: _Unread, sink: Sink) -> Digest:
    """Store a large file, unless it turns out to be what it was: a look that changed costs no second copy."""
    text = Path(os.fsdecode(path))
    known = file.before is not None and file.before.kind is not EntryKind.LINK and file.before.digest
    digest = known if known and hash_file(text) == known else sink.put_file(text)
    _unchanged(path, file.found, os.lstat(path))
    return digest


def _unchanged(path: bytes, found: Found, now: os.stat_result) -> None:
    if look(found.name, now) != found:
        raise _changed(path)


def _changed(path: bytes) -> Conflict:
    return Conflict(
        f"{os.fsdecode(path)} changed while it was read", hint="run the same command when nothing writes to it"
    )


def _fold(
    working: Working,
    plan: _Plan,
    cache: StatCache | None,
    read: ReadFolder,
    batch: ObjectBatch,
    now_ns: int,
) -> tuple[dict[bytes, FolderState], dict[Digest, list[Entry]]]:
    """Build the folders from the leaves up; one whose files and folders are as they were stays as it is."""
    states: dict[bytes, FolderState] = {}
    new: dict[Digest, list[Entry]] = {}
    before = cache.folders if cache is not None else {}
    for path in reversed(working.folders):
        folder = working.folders[path]
        below = {name: states[join(path, name)] for name in folder.folders}
        if path in plan.same:
            if all(_is_same(state, before.get(join(path, name))) for name, state in below.items()):
                states[path] = before[path]
                continue
            plan.known[path] = _files_of(before[path], read)
        entries = [*plan.known[path].values(), *(_folder_entry(name, state) for name, state in below.items())]
        entries.sort(key=lambda entry: entry.name)
        digest = batch.put(encode(entries))
        states[path], new[digest] = state_of(folder, entries, digest, now_ns=now_ns), entries
    return states, new


def _is_same(state: FolderState, before: FolderState | None) -> bool:
    return before is not None and before.digest == state.digest


def _folder_entry(name: bytes, state: FolderState) -> Entry:
    return Entry(name, EntryKind.FOLDER, state.size_bytes, state.files, state.digest)
