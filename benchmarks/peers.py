"""The peers that benchmarks measure beside clew: a virtual environment of its own for each, outside the project's.

An environment is made once, with the newest versions that the package index has, in `$CLEW_BENCH_PEERS` or
`~/.cache/clew-bench`; delete its folder to take newer ones. Imports only the standard library.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

PEERS: dict[str, tuple[str, ...]] = {
    "bentoml": ("bentoml", "scikit-learn", "lightgbm"),
    "dvc": ("dvc",),
    "evidently": ("evidently", "pandas<3"),
    "git": (),
    "hamilton": ("sf-hamilton",),
    "joblib": ("joblib",),
    "mlflow": ("mlflow", "lightgbm"),
    "mlserver": ("mlserver", "mlserver-lightgbm"),
    "nannyml": ("nannyml",),
    "prefect": ("prefect",),
    "tensorboardX": ("tensorboardX",),
    "trackio": ("trackio",),
}
"""What pip installs for each, the measured distribution first; programs of the system have nothing."""


def names(text: str) -> list[str]:
    """The peers that a command line names, with commas between them."""
    found = [name for name in text.split(",") if name]
    for name in found:
        if name not in PEERS:
            raise argparse.ArgumentTypeError(f"no peer named {name!r}; there are {', '.join(PEERS)}")
    return found


def folder() -> Path:
    """Where the environments are."""
    return Path(os.environ.get("CLEW_BENCH_PEERS") or Path.home() / ".cache" / "clew-bench")


def python_of(who: str) -> Path:
    """The interpreter in which a contestant runs: this one, unless it is a peer with packages; made when missing.

    A colon may follow the name of a peer: `mlflow:batch` is another way to use the same one.
    """
    who = who.partition(":")[0]
    packages = PEERS.get(who)
    if not packages:
        return Path(sys.executable)
    home = folder() / who
    if not (home / "made").exists():
        shutil.rmtree(home, ignore_errors=True)
        sys.stderr.write(f"Making an environment with {', '.join(packages)} (once)\n")
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        words = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--prefer-binary", *packages]
        subprocess.run(words, check=True, stdout=sys.stderr, env={**os.environ, "PIP_USER": "0"})
        (home / "made").touch()
    return home / "bin" / "python"


def program_of(who: str) -> Path:
    """The command of a peer, such as `dvc`."""
    found = shutil.which(who) if not PEERS.get(who) else python_of(who).with_name(who)
    if not found or not Path(found).exists():
        raise SystemExit(f"there is no program {who}")
    return Path(found)


@cache
def title_of(who: str) -> str:
    """A contestant with its version, as figures show it."""
    name, _, way = who.partition(":")
    packages, way = PEERS.get(name), f" ({way})" if way else ""
    if packages is None:
        return who
    if not packages:
        told = subprocess.run([name, "--version"], capture_output=True, text=True, check=True)
        return f"{name} {told.stdout.split()[-1]}{way}"
    code = f"from importlib.metadata import version; print(version({packages[0]!r}))"
    told = subprocess.run([python_of(who), "-c", code], capture_output=True, text=True, check=True)
    return f"{name} {told.stdout.strip()}{way}"
