"""What a value holds, as a token: a nested list that says type and content and nothing about where it lies.

Order counts wherever code can see it (dicts too), sets are sorted. Arrays and frames are taken by the digest of their
codec. Instances of classes are read in `instances.py`. What is neither known nor readable is refused.
"""

from __future__ import annotations

import enum
import functools
import io
import logging
import marshal
import os
import re
import sys
import threading
import types
import weakref
from collections import deque
from collections.abc import Mapping
from typing import Any

from clew.core.canonical import canonical
from clew.core.hashing import hash_bytes
from clew.pipelines.closure.bytecode import bytecode
from clew.pipelines.closure.instances import instance_token
from clew.pipelines.closure.modules import extension_of
from clew.pipelines.closure.reader import Reader, Rule, parts

__all__ = ["is_weak", "value_token"]


_SAFE_INT = 2**63
_LARGE = 256


def value_token(read: Reader, value: object, where: str) -> object:
    """The token of a value that is no function, class or module."""
    kind = type(value)
    if kind in _DIRECT:
        return value
    rule = _RULES.get(kind)
    if rule is not None:
        return rule(read, value, where)
    for base, of_base in _BASES:
        if isinstance(value, base):
            return of_base(read, value, where)
    return instance_token(read, value, where)


_DIRECT = frozenset({type(None), bool, float})


def _int(_: Reader, value: int, __: str) -> object:
    return value if -_SAFE_INT <= value < _SAFE_INT else ["int", str(value)]


def _str(_: Reader, value: str, __: str) -> object:
    try:
        value.encode()
    except UnicodeEncodeError:
        return ["text", value.encode("utf-8", "surrogatepass")]
    return value


def _plain(value: Any) -> str | None:
    """The digest of a large tree of built-in values, at the speed of C; None for a small one or any other."""
    if len(value) < _LARGE:
        return None
    try:
        return hash_bytes(marshal.dumps(value, 2))
    except ValueError:
        return None


def _items(tag: str) -> Rule:
    def rule(read: Reader, value: Any, where: str) -> object:
        plain = _plain(value)
        if plain is not None:
            return [tag, "plain", plain]
        return [tag, *parts(read, value, value, where)]

    return rule


def _mapping(tag: str) -> Rule:
    def rule(read: Reader, value: Mapping[object, object], where: str) -> object:
        plain = _plain(value)
        if plain is not None:
            return [tag, "plain", plain]
        flat = [part for pair in value.items() for part in pair]
        return [tag, *parts(read, value, flat, where)]

    return rule


def _set(tag: str) -> Rule:
    def rule(read: Reader, value: Any, where: str) -> object:
        return [tag, *sorted(canonical(token) for token in parts(read, value, value, where))]

    return rule


def _partial(read: Reader, value: functools.partial[Any], where: str) -> object:
    return ["partial", *parts(read, value, [value.func, value.args, value.keywords], where)]


def _cached(read: Reader, value: Any, where: str) -> object:
    return ["cached", read.reference(value.__wrapped__, where), sorted(map(str, value.cache_parameters().items()))]


def _method(read: Reader, value: types.MethodType, where: str) -> object:
    return ["method", *parts(read, value, [value.__func__, value.__self__], where)]


def _wrapping(*names: str) -> Rule:
    def rule(read: Reader, value: Any, where: str) -> object:
        return [type(value).__name__, *(read.reference(getattr(value, name), where) for name in names)]

    return rule


def _single_dispatch(read: Reader, value: Any, where: str) -> object:
    return ["dispatch", read.reference(value.func, where), read.reference(value.dispatcher, where)]


def _builtin(read: Reader, value: Any, where: str) -> object:
    """A function written in C: by its name, and for a method of an instance, what that holds."""
    owner = getattr(value, "__self__", None)
    extension = extension_of(value.__module__)
    if extension is not None:
        return ["compiled", read.reference(extension, where), value.__qualname__]
    if owner is None or isinstance(owner, (types.ModuleType, type)) or _is_module_level(value):
        return ["builtin", str(value.__module__ or getattr(owner, "__name__", "")), value.__qualname__]
    return ["builtin", value.__name__, *parts(read, value, [owner], where)]


def _is_module_level(value: Any) -> bool:
    """Whether a bound method poses as a function of its module, as `random.random` does."""
    module = sys.modules.get(type(value.__self__).__module__)
    return module is not None and vars(module).get(value.__name__) is value


def _slot(_: Reader, value: Any, __: str) -> object:
    return ["slot", f"{value.__objclass__.__module__}.{value.__objclass__.__qualname__}.{value.__name__}"]


def _code(_: Reader, value: types.CodeType, __: str) -> object:
    return ["code", hash_bytes(bytecode(value))]


def _by_type(_: Reader, value: object, __: str) -> object:
    """A thing that carries nothing that a result could depend on."""
    return ["a", f"{type(value).__module__}.{type(value).__qualname__}"]


def _refused(why: str) -> Rule:
    def rule(read: Reader, value: object, where: str) -> object:
        raise read.refuse(where, f"is a {type(value).__qualname__}, {why}")

    return rule


def _stream(read: Reader, value: object, where: str) -> object:
    if value in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        return ["a", "standard stream"]
    raise read.refuse(where, "is an open file, whose content may change: open it inside the step")


def _member(read: Reader, value: enum.Enum, where: str) -> object:
    return ["member", read.reference(type(value), where), value._name_ or read.reference(value._value_, where)]


def _path(_: Reader, value: os.PathLike[str], __: str) -> object:
    return ["path", type(value).__name__, os.fspath(value)]


def _pattern(_: Reader, value: re.Pattern[Any], __: str) -> object:
    return ["pattern", value.pattern, value.flags]


def is_weak(value: object) -> bool:
    """Whether a value is a weak reference, a container of them or a method of one: never a source of content."""
    if isinstance(value, types.MethodType):
        return is_weak(value.__self__)
    return type(value).__module__ in ("weakref", "_weakrefset") or isinstance(value, weakref.ref)


_Lock = type(threading.Lock())
_RLock = type(threading.RLock())
_LruCache = type(functools.lru_cache(lambda: None))

_RULES: dict[type, Rule] = {
    int: _int,
    str: _str,
    bytes: lambda _, value, __: value,
    bytearray: lambda _, value, __: ["bytearray", bytes(value)],
    complex: lambda _, value, __: ["complex", value.real, value.imag],
    type(Ellipsis): _by_type,
    type(NotImplemented): _by_type,
    list: _items("list"),
    tuple: _items("tuple"),
    deque: _items("deque"),
    dict: _mapping("dict"),
    types.MappingProxyType: _mapping("view"),
    set: _set("set"),
    frozenset: _set("frozenset"),
    range: lambda _, value, __: ["range", str(value)],
    functools.partial: _partial,
    functools.partialmethod: _partial,
    functools.cached_property: _wrapping("func"),
    functools.singledispatchmethod: _single_dispatch,
    _LruCache: _cached,
    staticmethod: _wrapping("__func__"),
    classmethod: _wrapping("__func__"),
    property: _wrapping("fget", "fset", "fdel"),
    types.MethodType: _method,
    types.BuiltinFunctionType: _builtin,
    types.MethodWrapperType: _builtin,
    types.WrapperDescriptorType: _slot,
    types.MethodDescriptorType: _slot,
    types.ClassMethodDescriptorType: _slot,
    types.MemberDescriptorType: _slot,
    types.GetSetDescriptorType: _slot,
    types.CodeType: _code,
    re.Pattern: _pattern,
    object: _by_type,
    _Lock: _by_type,
    _RLock: _by_type,
    threading.Event: _by_type,
    threading.Condition: _by_type,
    threading.Semaphore: _by_type,
    threading.BoundedSemaphore: _by_type,
    types.GeneratorType: _refused("which can be read only once"),
    threading.local: _refused("which differs from thread to thread"),
}

_BASES: list[tuple[type, Rule]] = [
    (enum.Enum, _member),
    (os.PathLike, _path),
    (io.IOBase, _stream),
    (logging.Logger, lambda _, value, __: ["logger", value.name]),
    (logging.Handler, _by_type),
]
