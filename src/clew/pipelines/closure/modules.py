"""Modules: what is found by reading attributes of one, and all of one when that cannot be told."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from clew.core.hashing import Hasher, hash_file
from clew.pipelines.closure.guards import MISSING, frozen
from clew.pipelines.closure.origin import Origin, module_origin, type_origin

if TYPE_CHECKING:
    from clew.pipelines.closure.walk import Walk

__all__ = ["extension_of", "folder_digest", "follow", "library_digest", "namespace_token"]


def follow(walk: Walk, value: object, path: tuple[str, ...], where: str) -> tuple[object, object]:
    """What is found by reading attributes, of modules as far as they go, and its token.

    A module of which no attribute is read is handed on or looked into in ways that are not seen: all of it counts.
    """
    while isinstance(value, ModuleType):
        names = vars(value)
        first_party = module_origin(value) is Origin.FIRST_PARTY
        if not first_party:
            walk.library(value.__name__, module_origin(value))
        if not path:
            return value, walk.module(value)
        found = names.get(path[0], MISSING)
        if found is MISSING:
            return _missing(walk, value, path, where) if first_party else (MISSING, [value.__name__, *path])
        if not isinstance(found, ModuleType):
            return found, _attribute(walk, value, path[0], first_party=first_party)
        walk.guards.binding(names, path[0], found)
        value, path = found, path[1:]
    return value, walk.reference(value, where)


def _attribute(walk: Walk, module: ModuleType, name: str, *, first_party: bool) -> object:
    """An attribute that is no module. Of a library's, only what is not the library's own has a content."""
    names = vars(module)
    value = names[name]
    if first_party:
        return walk.bound(names, name)
    walk.guards.binding(names, name, value)
    if isinstance(value, (FunctionType, type)):
        return walk.reference(value, f"{module.__name__}.{name}")
    ours = type_origin(type(value)) is Origin.FIRST_PARTY
    if ours or value is sys.argv or (frozen(value) and not name.startswith("__")):
        return walk.held("global", f"{module.__name__}:{name}", value, (id(names), name))
    return ["library", f"{module.__name__}:{name}"]


def _missing(walk: Walk, module: ModuleType, path: tuple[str, ...], where: str) -> tuple[object, object]:
    """An attribute that is not there: a submodule to import, one that `__getattr__` makes, or none."""
    names, name = vars(module), path[0]
    if "__path__" in names and importlib.util.find_spec(f"{module.__name__}.{name}") is not None:
        found = importlib.import_module(f"{module.__name__}.{name}")
        walk.guards.binding(names, name, found)
        return walk.follow(found, path[1:], where)
    walk.guards.binding(names, name, MISSING)
    if "__getattr__" in names:
        value = getattr(module, name, MISSING)
        maker = walk.bound(names, "__getattr__")
        if value is MISSING:
            return MISSING, [maker, name]
        found_value, token = walk.follow(value, path[1:], f"{module.__name__}:{name}")
        return found_value, [maker, token]
    return MISSING, ["undefined", module.__name__, name]


def namespace_token(walk: Walk, names: Mapping[str, Any]) -> object:
    """The token of everything in a module."""
    walk.guards.size(names)
    found: list[object] = ["module"]
    for name in list(names):
        if not (name.startswith("__") and name.endswith("__")) or name in ("__all__", "__getattr__"):
            found.append([name, walk.bound(names, name)])
    file = names.get("__file__")
    if isinstance(file, str) and file.endswith(tuple(EXTENSION_SUFFIXES)):
        found.append(hash_file(Path(file)))
    return found


def extension_of(name: object) -> ModuleType | None:
    """The first-party module of this name if it is compiled: what is in it has no code to read, but a file to hash."""
    module = sys.modules.get(name) if isinstance(name, str) else None
    file = getattr(module, "__file__", None)
    if module is None or not isinstance(file, str) or not file.endswith(tuple(EXTENSION_SUFFIXES)):
        return None
    return module if module_origin(module) is Origin.FIRST_PARTY else None


def folder_digest(folder: Path) -> str:
    """The digest of the code files below a folder, with their names."""
    hasher = Hasher()
    suffixes = (".py", *EXTENSION_SUFFIXES)
    for file in sorted(path for path in folder.rglob("*") if path.name.endswith(suffixes) and path.is_file()):
        hasher.update(f"{file.relative_to(folder).as_posix()}\0{hash_file(file)}\0".encode())
    return hasher.hexdigest()


_library_digests: dict[str, str] = {}


def library_digest(root: str) -> str:
    """What stands for the version of an installed module that belongs to no distribution: its files."""
    held = _library_digests.get(root)
    if held is None:
        module = sys.modules.get(root)
        file = getattr(module, "__file__", None)
        if not isinstance(file, str):
            held = "no file"
        else:
            at = Path(file)
            held = folder_digest(at.parent) if at.name.startswith("__init__.") else hash_file(at)
        _library_digests[root] = held
    return held
