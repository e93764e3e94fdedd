"""Python, the platform and the installed packages: what an environment is made of, without where it lies."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

import msgspec

__all__ = ["Environment", "installed_packages", "take_environment"]


class Environment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Equal on two machines when a package index would install the same on both.

    `in_place` names the packages that are imported from a folder of source, which no index has.
    """

    python: str
    implementation: str
    system: str
    machine: str
    libc: str
    packages: dict[str, str]
    in_place: list[str] = []


_cache: dict[tuple[tuple[str, int], ...], tuple[dict[str, str], list[str]]] = {}


def take_environment() -> Environment:
    """The environment of this process."""
    return Environment(
        python=platform.python_version(),
        implementation=sys.implementation.name,
        system=sys.platform,
        machine=platform.machine(),
        libc=_libc(),
        packages=installed_packages(),
        in_place=_look(sys.path)[1],
    )


def installed_packages(path: list[str] | None = None) -> dict[str, str]:
    """Version by package, read from the names of the metadata folders; the first on the path wins.

    Args:
        path: folders to look in; `sys.path` when None.
    """
    return _look(sys.path if path is None else path)[0]


def _look(path: list[str]) -> tuple[dict[str, str], list[str]]:
    """Version by package, and the packages that are installed in place."""
    folders = [folder for folder in dict.fromkeys(path) if Path(folder).is_dir()]
    state = tuple((folder, Path(folder).stat().st_mtime_ns) for folder in folders)
    if state not in _cache:
        found: dict[str, str] = {}
        in_place = []
        for folder in folders:
            for metadata in sorted(Path(folder).iterdir()):
                if metadata.suffix not in (".dist-info", ".egg-info"):
                    continue
                package, _, version = metadata.stem.partition("-")
                package = re.sub(r"[-_.]+", "-", package).lower()
                if package not in found:
                    found[package] = version.partition("-py")[0]
                    in_place += [package] if _is_in_place(metadata) else []
        _cache.clear()
        _cache[state] = dict(sorted(found.items())), sorted(in_place)
    return _cache[state]


def _is_in_place(metadata: Path) -> bool:
    try:
        data = (metadata / "direct_url.json").read_bytes()
        return bool(msgspec.json.decode(data, type=_Direct).dir_info.get("editable"))
    except (OSError, msgspec.DecodeError):
        return False


class _Direct(msgspec.Struct):
    """Where a package was installed from, as installers write it down."""

    dir_info: dict[str, object] = {}


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return ""
