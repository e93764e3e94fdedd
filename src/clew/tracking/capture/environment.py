"""Python, the platform and the installed packages: what an environment is made of, without where it lies."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

import msgspec

__all__ = ["Environment", "installed_packages", "take_environment"]


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Equal on two machines when a package index would install the same on both."""

    python: str
    implementation: str
    system: str
    machine: str
    libc: str
    packages: dict[str, str]


_cache: dict[tuple[tuple[str, int], ...], dict[str, str]] = {}


def take_environment() -> Environment:
    """The environment of this process."""
    return Environment(
        python=platform.python_version(),
        implementation=sys.implementation.name,
        system=sys.platform,
        machine=platform.machine(),
        libc=_libc(),
        packages=installed_packages(),
    )


def installed_packages(path: list[str] | None = None) -> dict[str, str]:
    """Version by package, read from the names of the metadata folders; the first on the path wins.

    Args:
        path: folders to look in; `sys.path` when None.
    """
    folders = [folder for folder in dict.fromkeys(sys.path if path is None else path) if Path(folder).is_dir()]
    state = tuple((folder, Path(folder).stat().st_mtime_ns) for folder in folders)
    if state not in _cache:
        found: dict[str, str] = {}
        for folder in folders:
            for name in sorted(path.name for path in Path(folder).iterdir()):
                if name.endswith((".dist-info", ".egg-info")):
                    package, _, version = name.rpartition(".")[0].partition("-")
                    found.setdefault(re.sub(r"[-_.]+", "-", package).lower(), version.partition("-py")[0])
        _cache.clear()
        _cache[state] = dict(sorted(found.items()))
    return _cache[state]


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return ""
