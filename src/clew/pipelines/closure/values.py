"""What a value holds, as a token: a nested list that says type and content and nothing about where it lies.

Order counts wherever code can see it (dicts too), sets are sorted. Arrays and frames are taken by the digest of their
codec. An instance of a first-party class is its class and its state; one of a library's is what its own pickling
protocol says of it, without ever making or reading a pickle. Where neither is known, the walk refuses.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import io
import logging
import marshal
import os
import pickle
import re
import sys
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from clew.core.canonical import canonical
from clew.core.errors import Invalid
from clew.core.hashing import hash_bytes
from clew.core.types.dataset import DatasetVersion
from clew.pipelines.closure.bytecode import bytecode
from clew.pipelines.closure.modules import extension_of
from clew.pipelines.closure.origin import Origin, type_origin

__all__ = ["Reader", "is_weak", "value_token"]


class Reader(Protocol):
    """What reading a value needs from a walk."""

    def reference(self, value: object, where: str) -> object:
        """The token of any value inside of this one."""
        ...

    def refuse(self, where: str, why: str) -> Invalid:
        """The error for what cannot be known."""
        ...


_Rule = Callable[[Reader, Any, str], object]
_DEPTH = 200
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
    return _instance(read, value, where)


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


def _items(tag: str) -> _Rule:
    def rule(read: Reader, value: Any, where: str) -> object:
        plain = _plain(value)
        if plain is not None:
            return [tag, "plain", plain]
        return [tag, *_deeper(read, value, value, where)]

    return rule


def _mapping(tag: str) -> _Rule:
    def rule(read: Reader, value: Mapping[object, object], where: str) -> object:
        plain = _plain(value)
        if plain is not None:
            return [tag, "plain", plain]
        flat = [part for pair in value.items() for part in pair]
        return [tag, *_deeper(read, value, flat, where)]

    return rule


def _set(tag: str) -> _Rule:
    def rule(read: Reader, value: Any, where: str) -> object:
        return [tag, *sorted(canonical(token) for token in _deeper(read, value, value, where))]

    return rule


_open = threading.local()


def _deeper(read: Reader, owner: object, parts: Any, where: str) -> list[object]:
    """Tokens of the parts of a value that may contain itself."""
    trail: dict[int, int] = _open.__dict__.setdefault("trail", {})
    if id(owner) in trail:
        return [["cycle", len(trail) - trail[id(owner)]]]
    if len(trail) > _DEPTH:
        raise read.refuse(where, f"is nested deeper than {_DEPTH} levels")
    trail[id(owner)] = len(trail)
    try:
        return [read.reference(part, where) for part in parts]
    finally:
        del trail[id(owner)]


def _partial(read: Reader, value: functools.partial[Any], where: str) -> object:
    return ["partial", *_deeper(read, value, [value.func, value.args, value.keywords], where)]


def _cached(read: Reader, value: Any, where: str) -> object:
    return ["cached", read.reference(value.__wrapped__, where), sorted(map(str, value.cache_parameters().items()))]


def _method(read: Reader, value: types.MethodType, where: str) -> object:
    return ["method", *_deeper(read, value, [value.__func__, value.__self__], where)]


def _wrapping(*names: str) -> _Rule:
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
    return ["builtin", value.__name__, *_deeper(read, value, [owner], where)]


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


def _refused(why: str) -> _Rule:
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

_RULES: dict[type, _Rule] = {
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

_BASES: list[tuple[type, _Rule]] = [
    (enum.Enum, _member),
    (os.PathLike, _path),
    (io.IOBase, _stream),
    (logging.Logger, lambda _, value, __: ["logger", value.name]),
    (logging.Handler, _by_type),
]


def _instance(read: Reader, value: object, where: str) -> object:
    """An instance of any other class."""
    pinned = getattr(type(value), "__clew_digest__", None)
    if pinned is not None:
        return ["pinned", read.reference(type(value), where), str(pinned(value))]
    if isinstance(value, DatasetVersion):
        return ["data", value.kind, value.digest]
    home = getattr(value, "__module__", None)
    named = getattr(value, "__qualname__", None)
    if isinstance(named, str) and (extension_of(home) or type(value).__module__.startswith("_cython_")):
        return ["compiled", read.reference(sys.modules.get(str(home)), where), named]
    inner = getattr(value, "__wrapped__", None)
    origin = type_origin(type(value))
    if origin is Origin.CLEW and isinstance(inner, types.FunctionType):
        return read.reference(inner, where)
    content = _array(value)
    if content is not None:
        return ["content", read.reference(type(value), where), *content]
    estimator = _estimator(read, value, where)
    if estimator is not None:
        return estimator
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if name.startswith("polars.") and name.endswith(".LazyFrame"):
        raise read.refuse(where, "is a LazyFrame, whose sources may change: collect it")
    if origin is Origin.FIRST_PARTY:
        return _own(read, value, where)
    if name in _HARMLESS or name.startswith("clew.tracking."):
        return ["a", name]
    if isinstance(inner, types.FunctionType):
        return ["wraps", read.reference(type(value), where), read.reference(inner, where)]
    return _reduced(read, value, where)


_HARMLESS = frozenset({"rich.console.Console"})
_ARRAYS = frozenset({"numpy", "polars", "pandas"})


def _array(value: object) -> tuple[str, str] | None:
    """Codec and content digest of an array or a frame."""
    if type(value).__module__.partition(".")[0] not in _ARRAYS:
        return None
    from clew.pipelines.codecs import content_digest

    return content_digest(value)


def _estimator(read: Reader, value: object, where: str) -> object | None:
    """A scikit-learn estimator: the digest of its codec, which a stored and loaded one shares, and the code in it."""
    base = sys.modules.get("sklearn.base")
    if base is None or not isinstance(value, base.BaseEstimator):
        return None
    from clew.pipelines.codecs import content_digest

    found = content_digest(value)
    if found is None:
        return None
    try:
        held = _reduced(read, value, where)
    except Invalid:
        held = None
    return ["estimator", read.reference(type(value), where), *found, sorted(_references(held))]


def _references(token: object) -> set[str]:
    """The names of functions and classes in a token."""
    if not isinstance(token, list):
        return set()
    if len(token) == 2 and token[0] == "ref" and isinstance(token[1], str):
        return {token[1]}
    return set().union(*map(_references, token))


def _own(read: Reader, value: object, where: str) -> object:
    """An instance of a first-party class: its class, its attributes, and what it inherits from a built-in one."""
    state: list[object] = [vars(value) if hasattr(value, "__dict__") else None, _slots(value), _inherited(value)]
    token = ["object", read.reference(type(value), where), *_deeper(read, value, state, where)]
    if not all(base is object or _is_plain(base) for base in type(value).__mro__):
        token.append(_reduced(read, value, where))
    return token


def _is_plain(base: type) -> bool:
    """Whether all that instances of this class hold is attributes, or one of the built-in containers."""
    return base in _CONTAINERS or base.__module__ in _PLAIN or type_origin(base) is Origin.FIRST_PARTY


_PLAIN = frozenset({"abc", "collections.abc", "contextlib", "enum", "typing"})


def _slots(value: object) -> dict[str, object]:
    found: dict[str, object] = {}
    for base in type(value).__mro__:
        for name, member in base.__dict__.items():
            if isinstance(member, types.MemberDescriptorType) and hasattr(value, name):
                found.setdefault(name, getattr(value, name))
    return found


_CONTAINERS: dict[type, Callable[[Any], object]] = {
    dict: lambda value: dict(dict.items(value)),
    list: lambda value: list(list.__iter__(value)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    int: int.__int__,
    float: float.__float__,
    deque: lambda value: list(deque.__iter__(value)),
}


def _inherited(value: object) -> object:
    return next((read(value) for base, read in _CONTAINERS.items() if isinstance(value, base)), None)


def _reduced(read: Reader, value: object, where: str) -> object:
    """An instance as its own pickling protocol describes it."""
    reducer = copyreg.dispatch_table.get(type(value))
    try:
        parts = reducer(value) if reducer else value.__reduce_ex__(4)
    except _UNREDUCIBLE as error:
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        raise read.refuse(where, f"is a {name}, whose content cannot be read ({error})") from error
    if isinstance(parts, str):
        return ["named", f"{type(value).__module__}.{type(value).__qualname__}", parts]
    listed = [list(part) if at in (3, 4) and part is not None else part for at, part in enumerate(parts)]
    return ["reduced", read.reference(type(value), where), *_deeper(read, value, listed, where)]


_UNREDUCIBLE = (TypeError, ValueError, AttributeError, RuntimeError, NotImplementedError, pickle.PickleError)
