"""Finds a Python of a recorded version on this machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Interpreter", "find_interpreter", "find_program", "this_interpreter"]

_ASK = "import platform, sys; print(sys.implementation.name, platform.python_version())"
_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Interpreter:
    """A Python: its program, what it is (`cpython`), and its full version."""

    path: Path
    implementation: str
    version: str

    @property
    def series(self) -> tuple[str, str]:
        """What compiled packages are made for: the implementation, and the first two numbers of the version."""
        return self.implementation, ".".join(self.version.split(".")[:2])


def this_interpreter() -> Interpreter:
    """The one that runs now, outside of its virtual environment."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    return Interpreter(Path(base), sys.implementation.name, platform.python_version())


def find_interpreter(implementation: str, version: str) -> Interpreter:
    """The Python that comes nearest: the same version, else the same series, else the one that runs now.

    Args:
        implementation: such as `cpython`.
        version: such as `3.11.7`.
    """
    wanted = Interpreter(Path(), implementation, version)
    found = [this_interpreter()]
    if found[0].version != version or found[0].implementation != implementation:
        found += [each for path in dict.fromkeys(_candidates(wanted)) if (each := _ask(path)) is not None]
    return max(found, key=lambda each: _likeness(each, wanted))


def find_program(name: str) -> str | None:
    """A program on the path, or beside the Python that runs now."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def _likeness(each: Interpreter, wanted: Interpreter) -> tuple[bool, bool]:
    same = each.implementation == wanted.implementation
    return (same and each.series == wanted.series, same and each.version == wanted.version)


def _candidates(wanted: Interpreter) -> Iterator[Path]:
    name = f"{'pypy' if wanted.implementation == 'pypy' else 'python'}{wanted.series[1]}"
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder and (path := shutil.which(name, path=folder)):
            yield Path(path)
    if uv := find_program("uv"):
        asked = f"{wanted.implementation}@{wanted.version}"
        if path := _output([uv, "python", "find", "--no-python-downloads", "--no-project", asked]):
            yield Path(path)


def _ask(path: Path) -> Interpreter | None:
    implementation, _, version = _output([str(path), "-I", "-c", _ASK]).partition(" ")
    return Interpreter(path, implementation, version) if version else None


def _output(command: list[str]) -> str:
    """What a program says; nothing where it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - a Python, or uv, and fixed words
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
