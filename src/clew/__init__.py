"""clew: one thread through the whole life of a machine-learning model in production.

The public API (`clew.run`, `clew.step`, `clew.pipeline`, …) is listed in `clew.facade` and loaded on first use, so
that `import clew` costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.facade import *  # noqa: F403

__version__ = "0.1.0"


class _Package(ModuleType):
    """A package whose `data` and `workspace` are functions, also once the submodules of these names are loaded."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in ("data", "workspace") and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    # Not `from clew import facade`: that asks this very function while the module is still loading.
    facade = import_module("clew.facade")
    if name in facade.__all__:
        return getattr(facade, name)
    raise AttributeError(f"module 'clew' has no attribute {name!r}")


def __dir__() -> list[str]:
    facade = import_module("clew.facade")
    return sorted([*facade.__all__, "__version__"])
