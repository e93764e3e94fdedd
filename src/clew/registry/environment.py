"""What is installed where a model is fitted. Not the full capture of a run (`clew.tracking`)."""

from __future__ import annotations

import platform
import re
from importlib.metadata import Distribution, distributions

from clew.core.types.package import Environment

__all__ = ["current_environment"]

_NAME = re.compile(r"^Name:[ \t]*(\S+)", re.MULTILINE)
_VERSION = re.compile(r"^Version:[ \t]*(\S+)", re.MULTILINE)


def current_environment() -> Environment:
    """Python, the platform, and the version of every installed distribution, by its normal name."""
    found: dict[str, str] = {}
    for distribution in distributions():
        name, version = _name_and_version(distribution)
        if name:
            found.setdefault(name.lower().replace("_", "-"), version)
    machine = f"{platform.system().lower()}-{platform.machine()}"
    return Environment(python=platform.python_version(), platform=machine, distributions=dict(sorted(found.items())))


def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    """From the first lines of the metadata: to parse all of it takes ten times as long."""
    text = next(filter(None, map(distribution.read_text, ("METADATA", "PKG-INFO", ""))), "")
    name, version = _NAME.search(text), _VERSION.search(text)
    return (name[1] if name else "", version[1] if version else "")
