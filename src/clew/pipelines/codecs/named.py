"""Classes by name, as encoded values mention them: `module:qualname`."""

from __future__ import annotations

import sys
from importlib import import_module

from clew.core.errors import Corrupt, Invalid
from clew.pipelines.closure.origin import module_name

__all__ = ["class_name", "find_class"]


def class_name(cls: type) -> str:
    """The name under which `find_class` gives this class again.

    Raises:
        Invalid: it gives another one, because the class was made inside of a function.
    """
    module = sys.modules.get(cls.__module__)
    name = f"{cls.__module__ if module is None else module_name(vars(module))}:{cls.__qualname__}"
    if "<locals>" in name:
        raise Invalid(f"a value's class {cls.__qualname__} is made inside a function", hint="define it in a module")
    return name


def find_class(name: str) -> type:
    """The class of this name; its module is imported.

    Raises:
        Corrupt: there is none.
    """
    module_part, _, qualname = name.partition(":")
    found: object = _module(module_part)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise Corrupt(f"a step's output is a {name}, and there is no such class")
    return found


def _module(name: str) -> object:
    for running in ("__main__", "__mp_main__"):
        main = sys.modules.get(running)
        if main is not None and module_name(vars(main)) == name:
            return main
    try:
        return import_module(name)
    except ImportError as error:
        raise Corrupt(f"a step's output names the module {name}, which cannot be imported: {error}") from error
