"""What an instance holds: of a first-party class by its attributes, of any other by its own pickling protocol.

No pickle is made or read: the protocol only says what a pickle would hold.
"""

from __future__ import annotations

import copyreg
import pickle
import sys
import types
from collections import deque
from collections.abc import Callable
from typing import Any

from clew.core.errors import Invalid
from clew.core.types.dataset import DatasetVersion
from clew.pipelines.closure.modules import extension_of
from clew.pipelines.closure.origin import Origin, type_origin
from clew.pipelines.closure.reader import Reader, parts

__all__ = ["instance_token"]


def instance_token(read: Reader, value: object, where: str) -> object:
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
    token = ["object", read.reference(type(value), where), *parts(read, value, state, where)]
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
        reduced = reducer(value) if reducer else value.__reduce_ex__(4)
    except _UNREDUCIBLE as error:
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        raise read.refuse(where, f"is a {name}, whose content cannot be read ({error})") from error
    if isinstance(reduced, str):
        return ["named", f"{type(value).__module__}.{type(value).__qualname__}", reduced]
    listed = [list(part) if at in (3, 4) and part is not None else part for at, part in enumerate(reduced)]
    return ["reduced", read.reference(type(value), where), *parts(read, value, listed, where)]


_UNREDUCIBLE = (TypeError, ValueError, AttributeError, RuntimeError, NotImplementedError, pickle.PickleError)
