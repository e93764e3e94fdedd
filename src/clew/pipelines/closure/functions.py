"""What a function is made of: its code, what its code names, its defaults, closure variables and attributes."""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import TYPE_CHECKING

from clew.pipelines.closure.annotations import annotation_token
from clew.pipelines.closure.code import code_digest
from clew.pipelines.closure.guards import MISSING
from clew.pipelines.closure.references import Root, references
from clew.pipelines.closure.resolve import resolve
from clew.pipelines.closure.values import is_weak

if TYPE_CHECKING:
    from clew.pipelines.closure.walk import Walk

__all__ = ["function_token", "library_function_token"]


def function_token(walk: Walk, function: FunctionType, label: str) -> object:
    """The token of a first-party function."""
    walk.guards.function(function)
    named = references(function.__code__)
    walk.paths |= named.paths
    cells = _cells(function)
    found: list[object] = [walk.note_attributes(named.attributes, function.__globals__, label)]
    for reference in named.found:
        if reference.root is Root.CELL:
            held = cells.get(reference.name)
            if isinstance(held, ModuleType):
                found.append([*reference.path, walk.follow(held, reference.path, label)[1]])
        else:
            found.append([reference.root, reference.name, *reference.path, resolve(walk, reference, function, label)])
    return [
        "function",
        code_digest(function.__code__, function.__globals__),
        found,
        _defaults(walk, function, label),
        _closure(walk, function, label),
        _attributes(walk, function, label),
        annotation_token(walk, function.__annotations__, function.__globals__, label),
    ]


def library_function_token(walk: Walk, function: FunctionType, label: str) -> object:
    """The token of a library's function that carries things of ours: a decorator's wrapper.

    The library's own code is known by its version. What it has captured is taken as far as it can be known: a lock or
    a weak cache in a wrapper is the library's own business.
    """
    walk.guards.function(function)
    held: list[object] = [f"{function.__module__}:{function.__qualname__}"]
    for name, value in [*_cells(function).items(), *vars(function).items()]:
        if not is_weak(value) and value is not MISSING:
            held.append([name, walk.lenient(value, f"{label}[{name}]")])
    held.extend(walk.lenient(value, label) for value in function.__defaults__ or () if not is_weak(value))
    return ["wrapper", *held]


def _cells(function: FunctionType) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            found[name] = MISSING
    return found


def _closure(walk: Walk, function: FunctionType, label: str) -> object:
    found: list[object] = []
    cells = function.__closure__ or ()
    for (name, value), cell in zip(_cells(function).items(), cells, strict=True):
        walk.guards.cell(cell, value)
        if value is MISSING:
            found.append([name, "empty"])
        elif not isinstance(value, ModuleType):
            found.append([name, walk.held("closure", f"{label}[{name}]", value, (id(cell), ""))])
    return found


def _defaults(walk: Walk, function: FunctionType, label: str) -> object:
    code = function.__code__
    values = function.__defaults__ or ()
    first = code.co_argcount - len(values)
    names = [code.co_varnames[at] if at >= 0 else str(at) for at in range(first, code.co_argcount)]
    pairs = [*zip(names, values, strict=True), *(function.__kwdefaults__ or {}).items()]
    if function.__kwdefaults__:
        for name, value in function.__kwdefaults__.items():
            walk.guards.binding(function.__kwdefaults__, name, value)
    return [[name, walk.held("default", f"{label}({name})", value, (id(function), name))] for name, value in pairs]


def _attributes(walk: Walk, function: FunctionType, label: str) -> object:
    walk.guards.size(vars(function))
    return [[name, walk.bound(vars(function), name, label=label, owner=function)] for name in vars(function)]
