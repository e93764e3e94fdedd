"""From a name in a function's code to what it stands for now."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from clew.pipelines.closure.distributions import file_of
from clew.pipelines.closure.dynamic import Reach, reach_of
from clew.pipelines.closure.guards import MISSING
from clew.pipelines.closure.modules import follow_library
from clew.pipelines.closure.origin import Origin, file_origin, module_origin
from clew.pipelines.closure.references import Reference, Root

if TYPE_CHECKING:
    from clew.pipelines.closure.walk import Walk

__all__ = ["resolve", "resolve_in"]


def resolve(walk: Walk, reference: Reference, function: FunctionType, label: str) -> object:
    """The token of what a reference of a function stands for."""
    return resolve_in(walk, reference, function.__globals__, label)


def resolve_in(walk: Walk, reference: Reference, names: dict[str, Any], label: str) -> object:
    """The token of what a reference stands for among these globals."""
    if reference.root is Root.IMPORT:
        value, token = _imported(walk, reference, names, label)
    else:
        value, token = _global(walk, reference, names, label)
    reach = reach_of(value)
    if reach is Reach.NOTHING:
        return token
    return [token, _reached(walk, reach, reference, names, label)]


def _global(walk: Walk, reference: Reference, names: dict[str, Any], label: str) -> tuple[object, object]:
    name = reference.name
    if name not in names:
        walk.guards.binding(names, name, MISSING)
        value = getattr(builtins, name, MISSING)
        return value, ["builtin" if value is not MISSING else "undefined", name]
    value = names[name]
    if name.startswith("__") and name.endswith("__") and isinstance(value, (str, type(None))):
        return value, _dunder(walk, name, value)
    if isinstance(value, ModuleType):
        walk.guards.binding(names, name, value)
        return walk.follow(value, reference.path, label)
    return value, walk.bound(names, name)


def _dunder(walk: Walk, name: str, value: object) -> object:
    """`__name__`, `__file__` and their like say where a module lies, not what it does."""
    if name == "__doc__":
        walk.reads_texts = True
    return [name, value] if name == "__version__" else [name]


def _imported(walk: Walk, reference: Reference, names: dict[str, Any], label: str) -> tuple[object, object]:
    target = _absolute(reference, names)
    root = target.partition(".")[0]
    origin = _origin_of(root)
    if origin is None:
        walk.guards.check(lambda: _origin_of(root), None)
        return MISSING, ["missing", target]
    path = reference.path
    whole = path[:1] == ("",)
    if origin is not Origin.FIRST_PARTY:
        walk.library(root, origin)
        name = root if whole else target
        path = path[1:] if whole else path
        return follow_library(walk, sys.modules.get(name), name, path, where=label, constants=False)
    try:
        module = importlib.import_module(target)
    except ModuleNotFoundError:
        return MISSING, ["missing", target]
    walk.guards.binding(sys.modules, target, module)
    if whole:
        return walk.follow(sys.modules[root], path[1:], label)
    return walk.follow(module, path, label)


def _absolute(reference: Reference, names: Mapping[str, Any]) -> str:
    if not reference.level:
        return reference.name
    package = names.get("__package__") or str(names.get("__name__", "")).rpartition(".")[0]
    try:
        return importlib.util.resolve_name("." * reference.level + reference.name, package)
    except ImportError:
        return reference.name


def _origin_of(root: str) -> Origin | None:
    """Whose a top-level module is, imported or not."""
    if root in sys.modules:
        return module_origin(sys.modules[root])
    if root in sys.builtin_module_names:
        return Origin.PYTHON
    file = file_of(root)
    return None if file is None else file_origin(file)


def _reached(walk: Walk, reach: Reach, reference: Reference, names: dict[str, Any], label: str) -> object:
    """The token of what is found by a computed name."""
    spelled = ".".join((reference.name, *filter(None, reference.path)))
    if reach is Reach.OWN_MODULE or (reach is Reach.NAMED_MODULE and reference.own):
        return walk.namespace(names)
    if reach is Reach.NAMED_MODULE and reference.constant is not None:
        return _named_module(walk, reference.constant, label)
    if walk.open_ended:
        return ["declared"]
    raise walk.refuse(label, f"uses {spelled}, which can lead to any code")


def _named_module(walk: Walk, name: str, label: str) -> object:
    root = name.partition(".")[0]
    origin = _origin_of(root)
    if origin is None:
        walk.guards.check(lambda: _origin_of(root), None)
        return ["missing", name]
    if origin is not Origin.FIRST_PARTY:
        walk.library(name, origin)
        return ["library", name]
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError:
        return ["missing", name]
    walk.guards.binding(sys.modules, name, module)
    return walk.follow(module, (), label)[1]
