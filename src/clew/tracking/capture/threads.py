"""How many threads libraries use: what was asked for, and what they took. Sums depend on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import msgspec

__all__ = ["VARIABLES", "Threads", "take_threads"]

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


def take_threads(variables: Mapping[str, str] | None = None) -> Threads:
    """The thread counts of this process. Loads no library: one that is not loaded yet is not asked.

    Args:
        variables: environment of another process, which cannot be asked for more; this process is meant when None.
    """
    effective: dict[str, int] = {}
    libraries = (("polars", "thread_pool_size"), ("torch", "get_num_threads")) if variables is None else ()
    given = os.environ if variables is None else variables
    for module, name in libraries:
        ask = getattr(sys.modules.get(module), name, None)
        if ask is not None:
            effective[module] = int(ask())
    return Threads(asked={name: given[name] for name in VARIABLES if name in given}, effective=effective)
