"""Versions of the distributions that code reaches, and of what those require.

A library is taken by its version instead of by its content, together with the versions of everything that its
metadata says it always needs: a result of scikit-learn may change with NumPy. Extras are not followed.
"""

from __future__ import annotations

import platform
import re
import sys
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib import metadata

__all__ = ["distribution_of", "file_of", "python_version", "requirements_of", "version_of"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def python_version() -> str:
    """Implementation and full version: `cpython 3.11.7`, with `-O` when asserts are left out."""
    level = "O" * sys.flags.optimize
    return f"{sys.implementation.name} {platform.python_version()}{f' -{level}' if level else ''}"


@cache
def _installed() -> dict[str, metadata.Distribution]:
    """Distributions by normal name, the first on the path winning, without reading their metadata."""
    from importlib import metadata  # brings half of the standard library along

    found: dict[str, metadata.Distribution] = {}
    for each in metadata.distributions():
        path = getattr(each, "_path", None)
        stem = getattr(path, "stem", "")
        name = _normal(stem.partition("-")[0]) if stem else _normal(each.metadata["Name"] or "")
        found.setdefault(name, each)
    return found


@cache
def distribution_of(module: str) -> str | None:
    """The distribution that a top-level module belongs to, or None when nothing installed names it."""
    installed = _installed()
    if _normal(module) in installed and _provides(installed[_normal(module)], module):
        return _normal(module)
    for name, each in installed.items():
        if _provides(each, module):
            return name
    return None


def _provides(distribution: metadata.Distribution, module: str) -> bool:
    """Whether a distribution's list of files holds a top-level module."""
    record = distribution.read_text("RECORD")
    if record is None:
        top = distribution.read_text("top_level.txt") or ""
        return module in top.split()
    return f"\n{module}/" in f"\n{record}" or f"\n{module}." in f"\n{record}"


@cache
def version_of(distribution: str) -> str | None:
    """The installed version of a distribution."""
    found = _installed().get(_normal(distribution))
    return None if found is None else found.version


@cache
def requirements_of(distribution: str) -> frozenset[str]:
    """The distributions that this one always needs and that are installed, at any depth, itself included."""
    installed = _installed()
    seen: set[str] = set()
    todo = [_normal(distribution)]
    while todo:
        name = todo.pop()
        if name in seen or name not in installed:
            continue
        seen.add(name)
        for line in installed[name].requires or ():
            requirement, _, marker = line.partition(";")
            match = _NAME.match(requirement.strip())
            if match and "extra" not in marker:
                todo.append(_normal(match[0]))
    return frozenset(seen)


def file_of(module: str) -> str | None:
    """Where a top-level module that is not imported yet lies, or None."""
    spec = PathFinder.find_spec(module)
    if spec is None:
        return None
    if spec.origin and spec.has_location:
        return spec.origin
    folders = list(spec.submodule_search_locations or ())
    return str(Path(folders[0]) / "__init__.py") if folders else spec.origin
