"""Processes that train one model together, as `torchrun`, Slurm or MPI start them: they share one run.

They find each other without asking anybody: the id of the run follows from what the launcher told all of them, and from
the launcher itself, where it is the same for all. Ranks on several machines need Slurm, or `clew run` around the whole,
which hands them the id; otherwise each of them is a run.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from typing import NamedTuple

from clew.core.extras import require
from clew.core.hashing import hash_bytes

__all__ = ["RANK_TAG", "Rank", "find_rank"]

RANK_TAG = "clew.rank."
"""Before the number of a rank: the tag that holds the id of its journal."""

_PLACES = (
    ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS", ""),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"),
)
"""Where launchers say the number of a rank, how many there are, and how many of them are on this machine."""

_LOCAL = ("localhost", "127.0.0.1", "::1")
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
    names = next((names for names in _PLACES if names[0] in environ and names[1] in environ), None)
    if names is None:
        return None
    number, size, here = (environ.get(name, "") for name in names)
    if not (number.isdecimal() and size.isdecimal()) or int(size) < 2:
        return None
    alone = environ.get("MASTER_ADDR") in _LOCAL or environ.get("SLURM_JOB_NUM_NODES") == "1"
    origin = _origin(environ, one_machine=here == size if here else alone)
    if origin is None:
        return None
    began_ms, words = origin
    told = [environ.get(name, "") for name in _SHARED]
    digest = int(hash_bytes("\0".join([*words, *told, str(next(_starts))]).encode())[:32], 16)
    # The form of every other id (a UUIDv7), so that runs sort by the time at which they began.
    tail = digest & 0x3FFF_FFFF_FFFF_FFFF
    return Rank(int(number), f"{began_ms << 80 | 0x7 << 76 | (digest >> 64 & 0xFFF) << 64 | 0b10 << 62 | tail:032x}")


def _origin(environ: Mapping[str, str], *, one_machine: bool) -> tuple[int, list[str]] | None:
    """When the ranks were started, in milliseconds, and by whom; None where they cannot all know that."""
    began_s = environ.get("SLURM_JOB_START_TIME", "")
    if began_s.isdecimal():
        return int(began_s) * 1000, ["slurm"]
    psutil, launcher = require("psutil"), os.getppid()
    if not (one_machine and launcher):  # the first process of a container has none
        return None
    began_ms = int(psutil.Process(launcher).create_time() * 1000)
    return began_ms, [str(launcher), str(began_ms)]
