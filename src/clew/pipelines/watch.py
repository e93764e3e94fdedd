"""What a step does beside computing, seen while it runs.

What it only read becomes an input of the step. What cannot be known afterwards (an answer from the network, a
program's reads) and what a cached run would not do again (a file written on the side) are reasons not to keep the
result. `hooks.py` says how it is seen, and docs/design/cache-key.md what is not.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Collection

from clew.pipelines.closure.distributions import distribution_of
from clew.pipelines.closure.origin import Origin, file_origin, module_name, module_origin
from clew.pipelines.file_digests import Stamp, presence, stamp
from clew.pipelines.hooks import watching
from clew.pipelines.observer import Observer
from clew.pipelines.reads import Read, ReadKind, give, of_variable

__all__ = ["Watch"]

_SYSTEM = ("/dev/", "/proc/", "/sys/")


class Watch(Observer):
    """What happens inside of its `with` block, in every thread of the process but clew's own.

    Args:
        skipped: folders whose files do not count: the project's `.clew`.
        root: files written below this folder count as results.
        doors: what the step declares to ask: `network`, `programs`, `native`.
    """

    def __init__(self, *, skipped: Collection[str] = (), root: str = "", doors: Collection[str] = ()) -> None:
        self._variables: dict[str, str | None] = {}
        self._set: set[str] = set()
        self._patterns: set[str] = set()
        self._listed: set[str] = set()
        self._asked: dict[str, str] = {}
        self._seen: dict[str, Stamp | None] = {}
        self._opened: set[str] = set()
        self._written: set[str] = set()
        self._mended: set[str] = set()
        self._removed: set[str] = set()
        self._reasons: list[str] = []
        self._loaded: set[tuple[str, str]] = set()
        self._imported: set[str] = set()
        self._skipped = tuple(folder.rstrip(os.sep) + os.sep for folder in skipped)
        self._root = root.rstrip(os.sep) + os.sep if root else ""
        self._doors = doors

    def __enter__(self) -> Watch:
        watching(self, on=True)
        return self

    def __exit__(self, *_: object) -> None:
        watching(self, on=False)

    # What the hooks tell.

    def opens(self, path: str, *, writes: bool = False, keeps: bool = True) -> None:
        if not self._counts(path):
            return
        existed = self._seen.setdefault(path, stamp(path)) is not None
        if writes:
            if existed and (keeps or path in self._opened) and path not in self._written:
                self._mended.add(path)
            self._written.add(path)
        else:
            self._opened.add(path)

    def names(self, path: str) -> None:
        if self._counts(path):
            self._seen.setdefault(path, stamp(path))

    def names_all(self, pattern: str) -> None:
        self._patterns.add(pattern)

    def lists(self, path: str, *, by_library: bool) -> None:
        if self._counts(path) and (not by_library or self._is_below_root(path)):
            self._listed.add(path)

    def asks_for(self, path: str, *, by_library: bool) -> None:
        if path not in self._asked and self._counts(path) and (not by_library or self._is_below_root(path)):
            self._asked[path] = presence(path)

    def removes(self, path: str) -> None:
        if self._counts(path) and path not in self._written and stamp(path) is not None:
            self._removed.add(path)

    def reads_variable(self, name: str, value: str | None) -> None:
        if name not in self._set:
            self._variables.setdefault(name, value)

    def sets_variable(self, name: str) -> None:
        self._set.add(name)

    def loads(self, module: str, name: str) -> None:
        self._loaded.add((module, name))

    def imports(self, module: str) -> None:
        self._imported.add(module)

    def goes_through(self, door: str, what: str) -> None:
        if door not in self._doors:
            self._reasons.append(f"it {what}; declare inputs=[{door!r}] to keep it all the same")

    # What came of it.

    def reads(self) -> dict[Read, str]:
        """What was read and not written before, with what it gave."""
        files = {path for path in self._seen if not self._changed(path)}
        asked = {path for path, found in self._asked.items() if path not in self._seen and presence(path) == found}
        found = [Read(ReadKind.DISTRIBUTION, name) for name in self._distributions()]
        found += [Read(ReadKind.FOLDER, path) for path in self._listed]
        found += [Read(ReadKind.FILES, pattern) for pattern in self._patterns]
        found += [Read(ReadKind.FILE, path) for path in files]
        found += [Read(ReadKind.PRESENCE, path) for path in asked]
        given = {read: give(read) for read in found}
        given |= {Read(ReadKind.ENVIRONMENT, name): of_variable(value) for name, value in self._variables.items()}
        return dict(sorted(given.items()))

    def refusals(self, returned: Collection[str], known: Collection[str]) -> list[str]:
        """Why the result cannot be kept; empty when it can.

        Args:
            returned: paths that the step gave back: what lies there comes back from the cache too.
            known: the ingredients of the step's closure.
        """
        kept = tuple(os.path.abspath(path) for path in returned)  # noqa: PTH100
        found = [*dict.fromkeys(self._reasons)]
        found += [
            f"it leads to {what}, which its code does not name; declare reaches=[…]" for what in self._strange(known)
        ]
        found += [f"it removes {path}, which a cached run would not" for path in sorted(self._removed)]
        for path in sorted(path for path in self._seen if self._changed(path)):
            at = os.path.abspath(path)  # noqa: PTH100
            if path in self._mended:
                found.append(f"it changes {path}, which was there before; write another file and return its Path")
            elif any(at == each or at.startswith(each + os.sep) for each in kept):
                continue
            elif self._seen[path] is not None and path in self._opened - self._written:
                found.append(f"{path} changed while it ran")
            elif self._is_result(at):
                found.append(f"it writes {path}, which a cached run would not; return its pathlib.Path")
        return found

    def _strange(self, known: Collection[str]) -> list[str]:
        """First-party code that was found by a name made at run time, and is no part of the closure."""
        loaded = {f"{_called(module)}:{name}" for module, name in self._loaded if _origin(module) is Origin.FIRST_PARTY}
        strange = {what for what in loaded if not {f"class {what}", f"function {what}"} & set(known)}
        strange |= {_called(module) for module in self._imported if _origin(module) is Origin.FIRST_PARTY}
        return sorted(what for what in strange if not _declared(what, known))

    def _distributions(self) -> set[str]:
        """Distributions whose classes were found by name."""
        libraries = {module.partition(".")[0] for module, _ in self._loaded if _origin(module) is Origin.LIBRARY}
        return {found for root in libraries if (found := distribution_of(root)) is not None}

    def _changed(self, path: str) -> bool:
        return path in self._written or stamp(path) != self._seen[path]

    def _is_result(self, at: str) -> bool:
        """Whether a file that was written is a result, and not a scratch file or a cache of a library."""
        temporary = at.startswith(tempfile.gettempdir() + os.sep) and not self._root.startswith(tempfile.gettempdir())
        return at.startswith(self._root) and os.path.isfile(at) and not temporary  # noqa: PTH113

    def _is_below_root(self, path: str) -> bool:
        """Whether a library looks at something of the project; how it finds its way about the machine is its own."""
        return os.path.abspath(path).startswith(self._root)  # noqa: PTH100

    def _counts(self, path: str) -> bool:
        at = os.path.abspath(path)  # noqa: PTH100
        if at.startswith((*_SYSTEM, *self._skipped)) or at.endswith(".pyc") or "__pycache__" in at:
            return False
        folder = f"{at}{os.sep}"
        return folder not in self._skipped and file_origin(folder) is Origin.FIRST_PARTY


def _origin(module: str) -> Origin | None:
    """Whose a module is that was imported while the step ran; None when it was not there."""
    found = sys.modules.get(module)
    return None if found is None else module_origin(found)


def _called(module: str) -> str:
    return module_name(vars(sys.modules[module]))


def _declared(what: str, known: Collection[str]) -> bool:
    """Whether a whole module or package that holds this is part of the closure."""
    module = what.partition(":")[0]
    return f"module {module}" in known or f"package {module.partition('.')[0]}" in known
