"""Runs that begin where their project cannot be reached, or must not be: all they say stays here for `clew sync`.

Journals lie in the project's `.clew` folder where that can be written and mapped, and in a local state folder
otherwise: `$XDG_STATE_HOME/clew`, or `~/.local/state/clew`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, cast

from clew.core.clock import SystemClock
from clew.core.contracts.objects import Objects
from clew.core.contracts.services import RunService
from clew.core.errors import Unavailable
from clew.core.hashing import hash_bytes
from clew.core.ids import Ids
from clew.tracking.recorder import Recorder
from clew.tracking.segment import trusts_mmap

__all__ = ["OFFLINE_VARIABLE", "is_offline", "local_folder", "offline_recorder", "state_folder", "state_home"]

OFFLINE_VARIABLE = "CLEW_OFFLINE"
"""Environment variable: `1` keeps what runs say on this machine until `clew sync`."""


def is_offline(environ: Mapping[str, str]) -> bool:
    """Whether runs are to stay on this machine; `false`, `no` and `off` say so as `0` does."""
    return environ.get(OFFLINE_VARIABLE, "").lower() not in ("", "0", "false", "no", "off")


def state_home(environ: Mapping[str, str]) -> Path:
    """Where clew keeps state of this user that belongs to no folder of a project; not made here."""
    home = environ.get("XDG_STATE_HOME", "")
    return (Path(home) if home else Path.home() / ".local" / "state") / "clew"


def state_folder(root: Path, environ: Mapping[str, str]) -> Path:
    """Where journals of the project in `root` lie when they cannot lie in it; not made here."""
    return state_home(environ) / f"{root.name or 'root'}-{hash_bytes(str(root).encode())[:12]}"


def local_folder(root: Path, folder: Path, environ: Mapping[str, str]) -> Path:
    """Where journals of a project lie on this machine.

    Args:
        root: of the project.
        folder: its `.clew` folder, taken where it can be written and is no network disk.
        environ: of this process.
    """
    if folder.is_dir() and os.access(folder, os.W_OK) and trusts_mmap(folder):
        return folder
    state = state_folder(root, environ)
    state.mkdir(parents=True, exist_ok=True)
    note = state / "project"
    if not note.exists():
        note.write_text(f"{root}\n", encoding="utf-8")
    return state


def offline_recorder(folder: Path, actor: str) -> Recorder:
    """A recorder that reaches nobody: its runs wait in `folder`."""
    clock = SystemClock()
    nobody = _Nobody()
    return Recorder(
        runs=cast("RunService", nobody),
        objects=cast("Objects", nobody),
        clock=clock,
        ids=Ids(clock),
        project="",
        actor=actor,
        folder=folder,
        outbox=True,
        wait_s=0.0,
    )


class _Nobody:
    """Services and objects while offline."""

    def __getattr__(self, verb: str) -> NoReturn:
        raise Unavailable("this run is offline", hint="clew sync brings it home")
