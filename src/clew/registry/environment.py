"""What is installed where a model is fitted. Not the full capture of a run (`clew.tracking`)."""

from __future__ import annotations

import platform
from importlib.metadata import distributions

from clew.core.types.package import Environment

__all__ = ["current_environment"]


def current_environment() -> Environment:
    """Python, the platform, and the version of every installed distribution, by its normal name."""
    found: dict[str, str] = {}
    for distribution in distributions():
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(name.lower().replace("_", "-"), distribution.version)
    machine = f"{platform.system().lower()}-{platform.machine()}"
    return Environment(python=platform.python_version(), platform=machine, distributions=dict(sorted(found.items())))
