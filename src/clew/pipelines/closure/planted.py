"""First-party code that was planted on a library's classes: namespaces and accessors of data frames.

`frame.geo.area()` reads two attributes of a value whose class belongs to a library, but `geo` may be the project's
own, registered with polars or pandas, or simply set on the class.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from types import FunctionType

from clew.pipelines.closure.origin import Origin, globals_origin, type_origin

__all__ = ["planted"]

_HOSTS = {
    "polars": ("DataFrame", "LazyFrame", "Series", "Expr"),
    "pandas": ("DataFrame", "Series", "Index"),
}


def planted(attributes: Collection[str]) -> Iterator[tuple[Mapping[str, object], str, object]]:
    """First-party functions and classes among the attributes of data frames, of those that code reads.

    Each with the attributes that hold it and its name there.
    """
    for root, classes in _HOSTS.items():
        module = sys.modules.get(root)
        for host in (getattr(module, name, None) for name in classes) if module else ():
            for name in sorted(vars(host).keys() & set(attributes)) if isinstance(host, type) else ():
                found = _ours(vars(host)[name])
                if found is not None:
                    yield vars(host), name, found


def _ours(value: object) -> object | None:
    """The first-party function or class in an attribute, through the descriptors of polars and pandas."""
    for each in (value, *getattr(value, "__dict__", {}).values(), getattr(value, "fget", None)):
        if isinstance(each, FunctionType) and globals_origin(each.__globals__) is Origin.FIRST_PARTY:
            return each
        if isinstance(each, type) and type_origin(each) is Origin.FIRST_PARTY:
            return each
    return None
