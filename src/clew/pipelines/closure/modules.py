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
from clew.pipelines.closure.origin import Origin, globals_origin, module_origin, type_origin

if TYPE_CHECKING:
    from clew.pipelines.closure.walk import Walk

__all__ = ["extension_of", "folder_digest", "follow", "follow_library", "library_digest", "namespace_token"]


def follow(walk: Walk, value: object, path: tuple[str, ...], where: str) -> tuple[object, object]:
    """What is found by reading attributes, of modules as far as they go, and its token.

    A module of which no attribute is read is handed on or looked into in ways that are not seen: all of it counts.
    """
    while isinstance(value, ModuleType):
        if module_origin(value) is not Origin.FIRST_PARTY:
            return follow_library(walk, value, value.__name__, path, where=where)
        if not path:
            return value, walk.module(value)
        names = vars(value)
        found = names.get(path[0], MISSING)
        if found is MISSING:
            return _missing(walk, value, path, where)
        if not isinstance(found, ModuleType):
            return found, walk.bound(names, path[0])
        walk.guards.binding(names, path[0], found)
        value, path = found, path[1:]
    return value, walk.reference(value, where)


def follow_library(
    walk: Walk, module: ModuleType | None, name: str, path: tuple[str, ...], *, where: str, constants: bool = True
) -> tuple[object, object]:
    """What is found by reading attributes of a library's module, and its token.

    The token is what the code spells, whether or not the library is imported yet: a key must not depend on what else
    the process has done. Only what is not the library's own counts by its content.

    Args:
        walk: the walk.
        module: None when it is not imported.
        name: of the module.
        path: the attributes.
        where: who reads them.
        constants: whether numbers and texts count by their value, for modules that are there in any case.
    """
    token: list[object] = ["library", ".".join((name, *path))]
    origin = Origin.PYTHON if module is None else module_origin(module)
    walk.library(name, origin)
    value: object = MISSING if module is None else module
    for at, part in enumerate(path):
        if not isinstance(value, ModuleType):
            break
        if module_origin(value) is Origin.FIRST_PARTY:
            return follow(walk, value, path[at:], where)
        names = vars(value)
        holder, value = value, names.get(part, MISSING)
        if value is not MISSING:
            walk.guards.binding(names, part, value)
        simple = constants and len(path) == 1 and frozen(value) and not part.startswith("__")
        if _is_ours(value) or value is sys.argv or simple:
            return value, [*token, walk.held("global", f"{holder.__name__}:{part}", value, (id(names), part))]
    return value, token


def _is_ours(value: object) -> bool:
    """Whether something that a library holds was put there by first-party code."""
    if isinstance(value, FunctionType):
        return globals_origin(value.__globals__) is Origin.FIRST_PARTY
    if isinstance(value, type):
        return type_origin(value) is Origin.FIRST_PARTY
    return value is not MISSING and type_origin(type(value)) is Origin.FIRST_PARTY


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
