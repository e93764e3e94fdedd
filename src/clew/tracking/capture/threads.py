"""How many threads libraries use: what was asked for, and what they took. Sums depend on it."""

from __future__ import annotations

import os
import sys

import msgspec

__all__ = ["Threads", "take_threads"]

VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
    "TBB_NUM_THREADS",
)


class Threads(msgspec.Struct, frozen=True, kw_only=True):
    """`asked` holds the variables that are set; `effective` what libraries that are loaded answer."""

    asked: dict[str, str]
    effective: dict[str, int]


def take_threads() -> Threads:
    """The thread counts of this process. Loads no library: one that is not loaded yet is not asked."""
    effective: dict[str, int] = {}
    for module, name in (("polars", "thread_pool_size"), ("torch", "get_num_threads")):
        ask = getattr(sys.modules.get(module), name, None)
        if ask is not None:
            effective[module] = int(ask())
    return Threads(asked={name: os.environ[name] for name in VARIABLES if name in os.environ}, effective=effective)
