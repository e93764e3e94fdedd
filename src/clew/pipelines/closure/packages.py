"""All of a package that a step declares to reach: the code of every file below it, imported or not."""

from __future__ import annotations

import ast
import contextlib
import importlib
import pkgutil
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

from clew.core.hashing import hash_file
from clew.pipelines.closure.source import read_source, tree_digest

__all__ = ["import_all", "package_token"]


def import_all(package: ModuleType) -> None:
    """Import what is below a package, as computed names will, so that a fingerprint does not depend on what already is.

    What cannot be imported here is known by its file alone.
    """
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda _: None):
        if not found.name.endswith(".__main__"):
            with contextlib.suppress(ImportError):
                importlib.import_module(found.name)


def package_token(package: ModuleType) -> object:
    """Names and digests of the code files below a package; formatting does not change them."""
    return [[name, _digest(file)] for name, file in sorted(_files(package))]


def _files(package: ModuleType) -> Iterator[tuple[str, Path]]:
    for folder in map(Path, package.__path__):
        for file in folder.rglob("*"):
            if file.name.endswith((".py", *EXTENSION_SUFFIXES)) and file.is_file():
                yield file.relative_to(folder).as_posix(), file


def _digest(file: Path) -> str:
    if file.suffix != ".py":
        return hash_file(file)
    try:
        return tree_digest(ast.parse(read_source(str(file))))
    except (SyntaxError, ValueError):
        return hash_file(file)
