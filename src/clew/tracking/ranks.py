"""Processes that train one model together, as `torchrun`, Slurm or MPI start them: they share one run.

They find each other without asking anybody: the id of the run follows from what the launcher told all of them, and from
the launcher itself. Ranks on several machines need Slurm, or `clew run` around the whole, which hands them the id.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from typing import NamedTuple

from clew.core.extras import require
from clew.core.hashing import hash_bytes

__all__ = ["Rank", "find_rank"]

_PLACES = (
    ("RANK", "WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
)
_SHARED = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_ID", "SLURM_STEP_ID")
_starts = itertools.count()


class Rank(NamedTuple):
    """The place of this process among those that share a run, and the id of that run."""

    number: int
    run: str


def find_rank(environ: Mapping[str, str]) -> Rank | None:
    """The place of this process; None where it trains alone, or its machines have nothing in common that is told.

    Each call means the next run of the process: ranks start the same runs in the same order.
    """
    place = next(((environ[a], environ[b]) for a, b in _PLACES if a in environ and b in environ), None)
    if place is None or not (place[0].isdecimal() and place[1].isdecimal()) or int(place[1]) < 2:
        return None
    origin = _origin(environ)
    if origin is None:
        return None
    began_ms, words = origin
    told = [environ.get(name, "") for name in _SHARED]
    digest = int(hash_bytes("\0".join([*words, *told, str(next(_starts))]).encode())[:32], 16)
    # The form of every other id (a UUIDv7), so that runs sort by the time at which they began.
    tail = digest & 0x3FFF_FFFF_FFFF_FFFF
    return Rank(int(place[0]), f"{began_ms << 80 | 0x7 << 76 | (digest >> 64 & 0xFFF) << 64 | 0b10 << 62 | tail:032x}")


def _origin(environ: Mapping[str, str]) -> tuple[int, list[str]] | None:
    """When the ranks were started, in milliseconds, and by whom."""
    began_s = environ.get("SLURM_JOB_START_TIME", "")
    if began_s.isdecimal():
        return int(began_s) * 1000, ["slurm"]
    local, whole = environ.get("LOCAL_WORLD_SIZE"), environ.get("WORLD_SIZE")
    if local is not None and local != whole:
        return None
    psutil = require("psutil")
    launcher = os.getppid()
    began_ms = int(psutil.Process(launcher).create_time() * 1000)
    return began_ms, [str(launcher), str(began_ms)]
