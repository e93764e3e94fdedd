"""Which code numeric libraries chose for this processor: sums and products round as their vector width says."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import ModuleType

import msgspec

__all__ = ["KERNEL_VARIABLES", "Kernels", "NumericLibrary", "take_kernels"]

KERNEL_VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "BLIS_ARCH_TYPE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
)
"""The variables by which libraries can be told which code to choose."""


class NumericLibrary(msgspec.Struct, frozen=True, kw_only=True):
    """A loaded library for linear algebra or threads; `architecture` is the processor that its code is made for."""

    name: str
    version: str
    architecture: str
    threads: int


class Kernels(msgspec.Struct, frozen=True, kw_only=True):
    """`asked` holds the variables that are set, `numpy` the optional instructions that NumPy uses; both are empty, and
    so is `libraries`, where nothing of the kind is loaded."""

    asked: dict[str, str]
    libraries: list[NumericLibrary]
    numpy: list[str]


def take_kernels(variables: Mapping[str, str] | None = None) -> Kernels:
    """The choices of the libraries that are loaded; loads none but threadpoolctl, which asks them.

    Args:
        variables: environment of another process, which cannot be asked for more; this process is meant when None.
    """
    given = os.environ if variables is None else variables
    here = variables is None and "numpy" in sys.modules
    return Kernels(
        asked={name: given[name] for name in KERNEL_VARIABLES if name in given},
        libraries=_libraries() if here else [],
        numpy=_numpy_features() if here else [],
    )


def _libraries() -> list[NumericLibrary]:
    with suppress(ImportError):
        found = {
            NumericLibrary(
                name=str(each["prefix"]),
                version=str(each.get("version") or ""),
                architecture=str(each.get("architecture") or ""),
                threads=int(each["num_threads"]),
            )
            for each in importlib.import_module("threadpoolctl").threadpool_info()
        }
        return sorted(found, key=msgspec.structs.astuple)
    return []


def _numpy_features() -> list[str]:
    core = _numpy_core()
    features, dispatched = getattr(core, "__cpu_features__", {}), getattr(core, "__cpu_dispatch__", [])
    return [name for name in dispatched if features.get(name)]


def _numpy_core() -> ModuleType | None:
    """Where NumPy keeps them: before version 2, and since."""
    for name in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        with suppress(ImportError):
            return importlib.import_module(name)
    return None
