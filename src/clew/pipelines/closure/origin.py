"""Whose code a module is: the project's own, a library's, Python's, or clew's.

First-party is the default: only what provably lies in the standard library or in a folder of installed packages is
taken by version instead of by content. Reasoning: docs/design/cache-key.md, "First-party and libraries".
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Mapping
from enum import Enum
from functools import cache
from types import ModuleType
from typing import Any

__all__ = ["Origin", "adopt", "file_origin", "globals_origin", "module_name", "module_origin", "type_origin"]

_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


class Origin(Enum):
    """Who answers for a piece of code."""

    FIRST_PARTY = "first-party"
    LIBRARY = "library"
    PYTHON = "python"
    CLEW = "clew"


@cache
def _standard_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    zipped = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
    found = [paths["stdlib"], paths["platstdlib"]]
    found += [os.path.join(os.path.dirname(path), zipped) for path in found]  # noqa: PTH118, PTH120
    return tuple({os.path.realpath(path) + os.sep for path in found} | {path + os.sep for path in found})


@cache
def _installed_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = {paths["purelib"], paths["platlib"], *site.getsitepackages()}
    if user := site.getusersitepackages():
        found.add(user)
    return tuple(path + os.sep for path in found)


_adopted: tuple[str, ...] = ()


def adopt(names: Mapping[str, Any]) -> None:
    """Take an installed package for first-party, because a step is defined in it; its version says too little.

    Args:
        names: the globals of the step's function.
    """
    global _adopted
    name, file = names.get("__name__"), names.get("__file__")
    if not isinstance(name, str) or not isinstance(file, str) or globals_origin(names) is Origin.FIRST_PARTY:
        return
    depth = name.count(".") + (0 if os.path.basename(file).startswith("__init__.") else -1)  # noqa: PTH119
    kept = 1 if name.startswith("clew.") else 0
    folder = os.path.dirname(file)  # noqa: PTH120
    for _ in range(depth - kept):
        folder = os.path.dirname(folder)  # noqa: PTH120
    _adopted = (*_adopted, folder + os.sep if depth >= kept else file)
    file_origin.cache_clear()


@cache
def file_origin(file: str) -> Origin:
    """Whose a file is, by where it lies."""
    if file.startswith(_adopted):
        return Origin.FIRST_PARTY
    if any(part in file for part in _INSTALLED) or file.startswith(_installed_folders()):
        return Origin.LIBRARY
    if file.startswith(("<frozen ", *_standard_folders())):
        return Origin.PYTHON
    return Origin.FIRST_PARTY


def _named_origin(name: str, file: str | None, *, builtin: bool) -> Origin:
    if name == "clew" or name.startswith("clew."):
        return Origin.FIRST_PARTY if file is not None and file.startswith(_adopted) else Origin.CLEW
    if file is None:
        known = builtin or name in sys.builtin_module_names
        return Origin.PYTHON if known else Origin.FIRST_PARTY
    return file_origin(file)


def module_origin(module: ModuleType) -> Origin:
    """Whose a module is."""
    names = vars(module)
    spec = names.get("__spec__")
    file = names.get("__file__") or _package_folder(names)
    builtin = getattr(spec, "origin", None) in ("built-in", "frozen")
    return _named_origin(module.__name__, file, builtin=builtin)


def _package_folder(names: dict[str, Any]) -> str | None:
    """The first folder of a namespace package, which has no file."""
    try:
        return next((f"{path}{os.sep}" for path in names.get("__path__", ())), None)
    except TypeError:
        return None


def globals_origin(names: Mapping[str, Any]) -> Origin:
    """Whose the functions are that were defined with these globals."""
    file = names.get("__file__")
    name = names.get("__name__")
    return _named_origin(name if isinstance(name, str) else "", file if isinstance(file, str) else None, builtin=False)


def type_origin(cls: type) -> Origin:
    """Whose a class is."""
    name = getattr(cls, "__module__", None)
    if isinstance(name, str) and name.startswith("_cython_"):
        return Origin.PYTHON  # what Cython shares among the modules that it has compiled
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is not None:
        return module_origin(module)
    return _named_origin(name if isinstance(name, str) else "", None, builtin=name == "builtins")


def module_name(names: Mapping[str, Any]) -> str:
    """The name of a module as its ingredients carry it, from its globals.

    A script is `__main__` when it is run and `__mp_main__` in a worker process; both are called by their file, so
    that it does not matter how a pipeline is started.
    """
    name = names.get("__name__")
    if name not in ("__main__", "__mp_main__"):
        return name if isinstance(name, str) else "?"
    spec = names.get("__spec__")
    if spec is not None and (found := getattr(spec, "name", "")) not in ("", "__main__", "__mp_main__"):
        return str(found).removesuffix(".__main__")
    file = names.get("__file__")
    return os.path.splitext(os.path.basename(file))[0] if isinstance(file, str) else "__main__"  # noqa: PTH119, PTH122
