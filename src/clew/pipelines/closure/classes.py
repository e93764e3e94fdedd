"""What a class is made of: its bases, its metaclass, and everything in it, in the order in which it stands."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

from clew.core.errors import Invalid
from clew.pipelines.closure.annotations import annotation_token
from clew.pipelines.closure.modules import extension_of
from clew.pipelines.closure.references import Root, references
from clew.pipelines.closure.resolve import resolve_in
from clew.pipelines.closure.source import class_definition, tree_digest

if TYPE_CHECKING:
    from clew.pipelines.closure.walk import Walk

__all__ = ["class_token"]

_SKIPPED = frozenset(
    [
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__dict__",
        "__doc__",
        "__firstlineno__",
        "__module__",
        "__qualname__",
        "__static_attributes__",
        "__weakref__",
        "_abc_impl",
        "__abstractmethods__",
        "_member_map_",
        "_value2member_map_",
        "_member_names_",
        "_hashable_values_",
        "_unhashable_values_",
        "_unhashable_values_map_",
        "__dataclass_fields__",
    ]
)


def class_token(walk: Walk, cls: type, label: str) -> object:
    """The token of a first-party class."""
    names = _globals_of(cls)
    walk.guards.size(cls.__dict__)
    walk.guards.check(lambda: cls.__bases__, cls.__bases__)
    members = enum_members(cls)
    held: list[object] = []
    opaque = False
    for name in cls.__dict__:
        if name in _SKIPPED or name in members:
            continue
        try:
            held.append([name, walk.bound(cls.__dict__, name, label=label, owner=cls)])
        except Invalid:
            held.append([name, "opaque", type(cls.__dict__[name]).__name__])
            opaque = True
    return [
        "class",
        [walk.reference(base, label) for base in cls.__bases__],
        walk.reference(type(cls), label),
        held,
        [[name, walk.held("attribute", f"{label}.{name}", value, (id(cls), name))] for name, value in members.items()],
        _fields(walk, cls, label),
        annotation_token(walk, _annotations(cls), names, label),
        _body(walk, cls, names, label) if opaque else None,
        walk.module(extension) if (extension := extension_of(cls.__module__)) is not None else None,
    ]


def enum_members(cls: type) -> dict[str, object]:
    """The values of an enum by name, aliases too; empty for any other class."""
    if not issubclass(cls, enum.Enum):
        return {}
    return {name: member.value for name, member in cls.__members__.items()}


def _fields(walk: Walk, cls: type, label: str) -> object:
    """What a dataclass knows about its fields."""
    return [
        [
            name,
            [field.init, field.repr, field.hash, field.compare, str(field._field_type)],
            [
                walk.held("attribute", f"{label}.{name} ({part})", value, (id(field), part))
                for part in ("default", "default_factory", "metadata")
                if (value := getattr(field, part)) is not dataclasses.MISSING and (part != "metadata" or value)
            ],
        ]
        for name, field in cls.__dict__.get("__dataclass_fields__", {}).items()
    ]


def _annotations(cls: type) -> dict[str, object]:
    try:
        return inspect.get_annotations(cls)
    except NameError:
        return {}


def _globals_of(cls: type) -> dict[str, Any]:
    for value in cls.__dict__.values():
        inner = getattr(value, "__func__", value)
        if isinstance(inner, FunctionType) and inner.__module__ == cls.__module__:
            return inner.__globals__
    module = sys.modules.get(cls.__module__)
    return {} if module is None else vars(module)


def _body(walk: Walk, cls: type, names: dict[str, Any], label: str) -> object:
    """The source of a class that holds what cannot be read, and what that source names."""
    file = names.get("__file__")
    found = class_definition(file, cls.__qualname__) if isinstance(file, str) else None
    if found is None:
        raise walk.refuse(label, "holds what clew cannot read, and has no source to go by")
    named = references(found.code)
    return [
        tree_digest(found.node),
        [resolve_in(walk, each, names, label) for each in named.found if each.root is not Root.CELL],
    ]
