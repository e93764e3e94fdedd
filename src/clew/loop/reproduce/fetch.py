"""Installs distributions from wheels and the package index that the user's tools know: by uv, else by pip."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from clew.core.errors import Unavailable
from clew.loop.reproduce.interpreter import find_program

__all__ = ["fetch"]

_TIMEOUT_S = 1800.0
_HINT = "--environment present repeats the run with the packages that are installed"


def fetch(python: Path, wanted: Mapping[str, str], *, folders: Sequence[Path] = ()) -> None:
    """Install exactly these versions, and nothing that they require.

    Args:
        python: that of the environment.
        wanted: version by name.
        folders: with wheels, which are looked through too.

    Raises:
        Unavailable: some cannot be had; they are named.
    """
    names = ", ".join(f"{name} {version}" for name, version in wanted.items())
    command = _installer(python)
    if not command:
        raise Unavailable(f"{names} cannot be installed: neither uv nor pip is there", hint=_HINT)
    links = [word for folder in folders for word in ("--find-links", str(folder))]
    here = {name: version for name, version in wanted.items() if _has_wheel(folders, name, version)}
    if here and not _install([*command, "--no-index", *links], here):
        wanted = {name: version for name, version in wanted.items() if name not in here}
    if not wanted or not _install(command, wanted):
        return
    # Of all at once the tools name one that they cannot get; one by one says which.
    failed = {name: said for name, version in wanted.items() if (said := _install(command, {name: version}))}
    if failed:
        names = ", ".join(f"{name} {wanted[name]}" for name in failed)
        raise Unavailable(f"{names} cannot be had: {next(iter(failed.values()))}", hint=_HINT)


def _has_wheel(folders: Sequence[Path], name: str, version: str) -> bool:
    """Whether a folder holds a wheel of it, for whichever Python."""
    pattern = f"{re.sub('[-_.]+', '[-_.]', name)}-{re.escape(version)}-.*[.]whl"
    names = [path.name for folder in folders for path in folder.glob("*.whl")]
    return any(re.fullmatch(pattern, each, re.IGNORECASE) for each in names)


def _installer(python: Path) -> list[str]:
    """The command that installs into an environment, without what to install."""
    if uv := find_program("uv"):
        return [uv, "pip", "install", "--quiet", "--python", str(python), "--no-deps"]
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else [find_program("pip") or ""]
    if not pip[0]:
        return []
    return [*pip, "--python", str(python), "install", "--quiet", "--no-deps", "--no-input"]


def _install(command: Sequence[str], wanted: Mapping[str, str]) -> str:
    """What the tool says when it fails; nothing when it does not."""
    words = [*command, *(f"{name}=={version}" for name, version in wanted.items())]
    around = {**os.environ, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_COLOR": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - the user's own installer
            words, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, env=around, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {done.returncode}"
