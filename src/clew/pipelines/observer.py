"""Who is told what a step does beside computing, and what counts as clew's own doing."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from clew.pipelines.frames import caller, is_clew

__all__ = ["Observer", "begin", "disown", "end", "path_text", "told", "unwatched"]


class Observer(Protocol):
    """Who is told."""

    def opens(self, path: str, *, writes: bool = False, keeps: bool = True) -> None:
        """A file is about to be opened.

        Args:
            path: as the code gave it.
            writes: for writing.
            keeps: what is in it stays until it is written over.
        """
        ...

    def names(self, path: str) -> None:
        """A file or folder is named where native code may read or write it unseen."""
        ...

    def names_all(self, pattern: str) -> None:
        """All files that a pattern matches are about to be read."""
        ...

    def lists(self, path: str, *, by_library: bool) -> None:
        """A folder is about to be listed."""
        ...

    def asks_for(self, path: str, *, by_library: bool) -> None:
        """Whether there is a file or a folder is about to be asked."""
        ...

    def removes(self, path: str) -> None:
        """A file is about to be removed."""
        ...

    def reads_variable(self, name: str, value: str | None) -> None:
        """An environment variable is read; it is not set when `value` is None."""
        ...

    def sets_variable(self, name: str) -> None:
        """An environment variable is set or removed."""
        ...

    def loads(self, module: str, name: str) -> None:
        """A class or function is about to be looked up by its name, to read a pickle."""
        ...

    def imports(self, module: str) -> None:
        """A module is about to be imported for the first time."""
        ...

    def goes_through(self, door: str, what: str) -> None:
        """Something outside is asked, whose answer cannot be known."""
        ...


_observers: tuple[Observer, ...] = ()
_mine = threading.local()
_lock = threading.Lock()


def begin(observer: Observer) -> None:
    """Start telling somebody."""
    global _observers
    with _lock:
        _observers = (*_observers, observer)


def end(observer: Observer) -> None:
    """Stop telling somebody."""
    global _observers
    with _lock:
        _observers = tuple(each for each in _observers if each is not observer)


def told() -> tuple[Observer, ...]:
    """Who is to be told of what the code does that is running: nobody when it is clew's own."""
    if not _observers or getattr(_mine, "clew", False):
        return ()
    with unwatched():  # looking at the stack may itself look at files
        return () if is_clew(caller()) else _observers


def disown() -> None:
    """What this thread does from now on is clew's own, and no step's."""
    _mine.clew = True


@contextmanager
def unwatched() -> Iterator[None]:
    """What this thread does within the block is clew's own, and no step's."""
    before = getattr(_mine, "clew", False)
    _mine.clew = True
    try:
        yield
    finally:
        _mine.clew = before


def path_text(path: Any) -> str | None:
    """A path as text; None for an open file's number."""
    try:
        return os.fsdecode(path)
    except TypeError:
        return None
